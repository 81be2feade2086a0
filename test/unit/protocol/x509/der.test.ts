import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { DerReader, derReader, textOf } from '../../../../protocol/x509/der-reader.ts'
import {
  Tag,
  bitString,
  boolean,
  der,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  setOf,
  time,
  utf8String,
} from '../../../../protocol/x509/der.ts'

function reader(hex: string): DerReader {
  return new DerReader(fromHex(hex))
}

describe('DER is written', () => {
  it('with lengths of one to five bytes', () => {
    for (const [length, head] of [
      [0, '0400'],
      [127, '047f'],
      [128, '048180'],
      [255, '0481ff'],
      [256, '04820100'],
      [65_536, '0483010000'],
      [0xff_ffff, '0483ffffff'],
      [0x100_0000, '048401000000'],
    ] as const) {
      const element = octetString(new Uint8Array(length))
      expect(toHex(element.subarray(0, element.length - length))).toBe(head)
    }
  })

  it('with integers as short as they go, and never negative', () => {
    expect(toHex(integer(0))).toBe('020100')
    expect(toHex(integer(127))).toBe('02017f')
    expect(toHex(integer(128))).toBe('02020080')
    expect(toHex(integer(0x7fff_ffff))).toBe('02047fffffff')
    expect(toHex(integer(fromHex('0000ff')))).toBe('020200ff')
    expect(toHex(integer(fromHex('00')))).toBe('020100')
  })

  it('with object identifiers', () => {
    expect(toHex(oid('1.2.840.10045.4.3.2'))).toBe('06082a8648ce3d040302')
    expect(toHex(oid('2.5.4.3'))).toBe('0603550403')
    expect(toHex(oid('2.999.3'))).toBe('0603883703')
  })

  it('with named bits up to the last that is set', () => {
    expect(toHex(namedBits(0))).toBe('030100')
    expect(toHex(namedBits(1))).toBe('03020780')
    expect(toHex(namedBits(0b110_0000))).toBe('03020106')
    expect(toHex(namedBits(1 << 8))).toBe('0303070080')
  })

  it('with sets in the order of their elements', () => {
    expect(setOf(integer(2), integer(1))).toEqual(setOf(integer(1), integer(2)))
  })

  it('with times of two kinds, before and from 2050', () => {
    expect(time(new Date('2049-12-31T23:59:59Z'))).toEqual(der(Tag.UTC_TIME, utf8('491231235959Z')))
    expect(time(new Date('2050-01-01T00:00:00Z'))).toEqual(
      der(Tag.GENERALIZED_TIME, utf8('20500101000000Z')),
    )
    expect(time(new Date('1949-12-31T23:59:59Z'))[0]).toBe(Tag.GENERALIZED_TIME)
  })
})

describe('DER is read', () => {
  it('as it was written', () => {
    const inside = derReader(
      sequence(
        integer(300),
        boolean(true),
        boolean(false),
        oid('1.2.840.113549'),
        bitString(Uint8Array.of(7)),
        namedBits(0x101),
        time(new Date('1999-02-28T01:02:03Z')),
        time(new Date('2060-02-29T01:02:03Z')),
        der(Tag.NULL),
      ),
    )
    expect(inside.smallInteger()).toBe(300)
    expect([inside.boolean(), inside.boolean()]).toEqual([true, false])
    expect(inside.oid()).toBe('1.2.840.113549')
    expect(inside.bitString()).toEqual(Uint8Array.of(7))
    expect(inside.namedBits()).toBe(0x101)
    expect(inside.time()).toEqual(new Date('1999-02-28T01:02:03Z'))
    expect(inside.time()).toEqual(new Date('2060-02-29T01:02:03Z'))
    expect(inside.next(Tag.NULL)).toBe(true)
    expect(inside.element()).toEqual(Uint8Array.of(5, 0))
    expect(inside.atEnd).toBe(true)
  })

  it('with object identifiers nobody wrote down here', () => {
    expect(reader('06052b06010401').oid()).toBe('1.3.6.1.4.1')
    expect(reader('0602817f').oid()).toBe('2.175')
  })

  it('with text of three kinds', () => {
    expect(textOf(utf8String('größe'))).toBe('größe')
    expect(textOf(der(Tag.PRINTABLE_STRING, utf8('a')))).toBe('a')
    expect(textOf(der(Tag.IA5_STRING, utf8('a@b')))).toBe('a@b')
  })
})

describe('DER is refused', () => {
  const content = (r: DerReader) => r.content(Tag.OCTET_STRING)
  const wrong: [string, string, (r: DerReader) => unknown][] = [
    ['with another tag', '020101', content],
    ['at the end', '', content],
    ['without a length', '04', content],
    ['of indefinite length', '04800000', content],
    ['cut short', '040201', content],
    ['cut within its length', '0482', content],
    ['with a length in a longer form than needed', '04810100', content],
    ['with a length that begins with zero', `04820080${'00'.repeat(128)}`, content],
    ['with a length of four bytes', '048400000001aa', content],
    ['with a tag of several bytes', '1f810101aa', (r) => r.element()],
    ['with an empty integer', '0200', (r) => r.integer()],
    ['with zeros before an integer', '02020001', (r) => r.integer()],
    ['with ones before a negative integer', '0202ff80', (r) => r.integer()],
    ['with a negative where a count belongs', '0201ff', (r) => r.smallInteger()],
    ['with a large integer where a count belongs', '02050100000000', (r) => r.smallInteger()],
    ['with a boolean of 1', '010101', (r) => r.boolean()],
    ['with a boolean of two bytes', '0102ffff', (r) => r.boolean()],
    ['with an empty boolean', '0100', (r) => r.boolean()],
    ['with an empty object identifier', '0600', (r) => r.oid()],
    ['with an object identifier cut off', '06022a86', (r) => r.oid()],
    ['with an arc that begins with zero', '06032a8001', (r) => r.oid()],
    ['with an arc beyond all numbers', `06092a${'ff'.repeat(7)}7f`, (r) => r.oid()],
    ['with a bit string of parts of bytes', '03020780', (r) => r.bitString()],
    ['with an empty bit string', '0300', (r) => r.bitString()],
    ['with an empty string of named bits', '0300', (r) => r.namedBits()],
    ['with nine unused bits', '03020900', (r) => r.namedBits()],
    ['with too many named bits', '030400808080', (r) => r.namedBits()],
    ['with something after the last element', '0500', (r) => r.end()],
  ]
  for (const [what, hex, read] of wrong) {
    it(what, () => {
      expect(() => read(reader(hex))).toThrow(FdoError)
    })
  }

  const times = [
    '991231235959',
    '9912312359Z',
    '991331235959Z',
    '990230000000Z',
    '991231240000Z',
    '991231236000Z',
    '991231235960Z',
    '99123123595xZ',
    '991231235959+',
    '9912312359590',
  ]
  for (const text of times) {
    it(`with ${text} for a time`, () => {
      expect(() => new DerReader(der(Tag.UTC_TIME, utf8(text))).time()).toThrow(FdoError)
    })
  }

  it('with text of another kind, no text, or more than text', () => {
    const bad = [octetString(utf8('a')), der(Tag.UTF8_STRING, Uint8Array.of(0xff))]
    for (const element of [...bad, new Uint8Array(0), Uint8Array.of(0x0c, 0, 0)]) {
      expect(() => textOf(element)).toThrow(FdoError)
    }
  })

  it('with a second element after the first', () => {
    expect(() => derReader(fromHex('30003000'))).toThrow(FdoError)
  })
})
