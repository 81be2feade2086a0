import { describe, expect, it } from 'vitest'
import { concat, fromHex, toHex } from '../../../../protocol/bytes.ts'
import { Major, bytesOf, contentOf, scan, scanSequence } from '../../../../protocol/cbor/scan.ts'
import { FdoError } from '../../../../protocol/errors.ts'

describe('scanning CBOR', () => {
  it('tells where every item begins and ends', () => {
    const item = scan(fromHex('83018241ff6161f6'))
    const [one, pair, nothing] = item.items
    expect(item.major).toBe(Major.ARRAY)
    expect(one?.argument).toBe(1)
    expect(toHex(bytesOf(pair!))).toBe('8241ff6161')
    expect(toHex(contentOf(pair!.items[0]!))).toBe('ff')
    expect(nothing?.info).toBe(22)
  })

  it('gives integers as numbers as far as those are exact, and then as bigints', () => {
    expect(scan(fromHex('1b001fffffffffffff')).argument).toBe(Number.MAX_SAFE_INTEGER)
    expect(scan(fromHex('1b0020000000000000')).argument).toBe(2n ** 53n)
    expect(scan(fromHex('1bffffffffffffffff')).argument).toBe(2n ** 64n - 1n)
    expect(scan(fromHex('1a80000000')).argument).toBe(2 ** 31)
  })

  it('lets a head be longer than it needs, as go-fdo does', () => {
    for (const hex of ['01', '1801', '190001', '1a00000001', '1b0000000000000001']) {
      expect(scan(fromHex(hex)).argument).toBe(1)
    }
    expect(toHex(contentOf(scan(fromHex('5900017a'))))).toBe('7a')
  })

  it('knows the tags FDO has a use for', () => {
    for (const hex of ['c06161', 'c101', 'd0f6', 'd1f6', 'd2f6', 'd812f6']) {
      expect(scan(fromHex(hex)).items).toHaveLength(1)
    }
  })

  it('reads floats only where asked to', () => {
    for (const hex of ['f93c00', 'fa3f800000', 'fb3ff0000000000000']) {
      expect(scan(fromHex(hex), { floats: true }).major).toBe(Major.SIMPLE)
      expect(() => scan(fromHex(hex))).toThrow(/a float/)
    }
  })

  it('reads sequences', () => {
    expect(scanSequence(fromHex('0141ff80')).map(({ major }) => major)).toEqual([0, 2, 4])
    expect(scanSequence(new Uint8Array(0))).toEqual([])
    for (const cut of ['0141', '0119ff', '018201', '01a101', '01d2']) {
      expect(() => scanSequence(fromHex(cut))).toThrow(FdoError)
    }
  })

  const refused: [string, string][] = [
    ['nothing', ''],
    ['bytes after the item', '0101'],
    ['a string cut short', '4201'],
    ['a head cut short', '19ff'],
    ['an array of fewer items than it says', '8201'],
    ['a map without its last value', 'a101'],
    ['a tag without content', 'd2'],
    ['a count that only a liar gives', '9affffffff'],
    ['a map count that only a liar gives', 'ba00000003010203'],
    ['a length of 2⁶³', '5b8000000000000000'],
    ['an indefinite array', '9fff'],
    ['an indefinite map', 'bfff'],
    ['an indefinite string', '5f4101ff'],
    ['a break alone', 'ff'],
    ['a reserved head', '1c'],
    ['an unknown tag', 'd820f6'],
    ['a record of cbor-x', 'd9dfff83010203'],
    ['a simple value without meaning', 'e0'],
    ['a simple value in two bytes', 'f8ff'],
    ['true in two bytes', 'f815'],
    ['text that is not UTF-8', '61ff'],
    ['text that ends within a letter', '61c3'],
    ['a surrogate as text', '63eda080'],
    ['a duplicate key', 'a201000102'],
    ['a duplicate key of another length', 'a20100180102'],
    ['a duplicate text key', 'a2616101616102'],
    ['a duplicate key among bytes', 'a2410101410102'],
    ['an array as key', 'a18001'],
    ['null as key', 'a1f601'],
    ['a tagged key', 'a1c10101'],
  ]
  for (const [what, hex] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => scan(fromHex(hex))).toThrow(
        expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' }),
      )
    })
  }

  it('tells keys of different types apart', () => {
    expect(scan(fromHex('a401012001413101613101')).items).toHaveLength(8)
  })

  it('refuses what is nested too deeply, at no cost', () => {
    expect(scan(fromHex('81'.repeat(16) + '80')).major).toBe(Major.ARRAY)
    expect(() => scan(fromHex('81'.repeat(17) + '80'))).toThrow(/nested/)
    expect(() => scan(new Uint8Array(65_535).fill(0x81))).toThrow(/nested/)
  })

  it('refuses more items than a message has', () => {
    const many = (count: number) =>
      concat(Uint8Array.of(0x99, count >> 8, count & 0xff), new Uint8Array(count))
    expect(scan(many(32_767)).items).toHaveLength(32_767)
    expect(() => scan(many(32_768))).toThrow(/too many/)
  })
})
