import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { type CborValue, Encoded, Tagged, decode, encode } from '../../../../protocol/cbor/cbor.ts'

/** RFC 8949, appendix A, as far as FDO uses it. */
const EXAMPLES: [CborValue, string][] = [
  [0, '00'],
  [23, '17'],
  [24, '1818'],
  [255, '18ff'],
  [256, '190100'],
  [65_535, '19ffff'],
  [65_536, '1a00010000'],
  [4_294_967_295, '1affffffff'],
  [4_294_967_296, '1b0000000100000000'],
  [1_000_000_000_000, '1b000000e8d4a51000'],
  [2n ** 64n - 1n, '1bffffffffffffffff'],
  [-1, '20'],
  [-24, '37'],
  [-25, '3818'],
  [-256, '38ff'],
  [-257, '390100'],
  [-(2n ** 64n), '3bffffffffffffffff'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  [undefined, 'f7'],
  ['', '60'],
  ['IETF', '6449455446'],
  ['ü', '62c3bc'],
  ['𐅑', '64f0908591'],
  ['a text of 24 characters!', '7818612074657874206f6620323420636861726163746572732' + '1'],
  [new Uint8Array(0), '40'],
  [Uint8Array.of(1, 2, 3, 4), '4401020304'],
  [[], '80'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [new Map(), 'a0'],
  [
    new Map<CborValue, CborValue>([
      ['a', 1],
      ['b', [2, 3]],
    ]),
    'a26161016162820203',
  ],
  [new Tagged(18, [new Uint8Array(0)]), 'd28140'],
  [new Tagged(1, 1_363_896_240), 'c11a514b67b0'],
  [new Tagged(0, '2013-03-21T20:04:00Z'), 'c074323031332d30332d32315432303a30343a30305a'],
]

describe('CBOR', () => {
  for (const [value, hex] of EXAMPLES) {
    it(`writes and reads ${hex}`, () => {
      expect(toHex(encode(value))).toBe(hex)
      expect(decode(fromHex(hex))).toEqual(value)
    })
  }

  it('sorts keys by the bytes of their encoding: unsigned, negative, bytes, text', () => {
    const keys = ['aa', 'b', Uint8Array.of(9), -1, -30, 256, 24, 10]
    const map = new Map<CborValue, CborValue>(keys.map((key) => [key, null]))
    expect(toHex(encode(map))).toBe(
      'a8' + '0af6' + '1818f6' + '190100f6' + '20f6' + '381df6' + '4109f6' + '6162f6' + '626161f6',
    )
  })

  it('writes bigints as short as numbers', () => {
    expect(toHex(encode([5n, -5n, 300n]))).toBe('83052419012c')
  })

  it('splices in what is encoded already', () => {
    expect(toHex(encode([1, new Encoded(fromHex('1801'))]))).toBe('82011801')
  })

  it('writes long texts and much of everything', () => {
    const text = 'x'.repeat(70_000)
    expect(decode(encode(text))).toBe(text)
    const list = Array.from({ length: 5000 }, (_, i) => `item ${i} ü`)
    expect(decode(encode(list))).toEqual(list)
  })

  it('gives bytes of their own, which no later encoding changes', () => {
    const first = encode([1, 2, 3])
    encode([4, 5, 6])
    expect(toHex(first)).toBe('83010203')
  })

  it('goes on after an encoding that failed', () => {
    expect(() => encode([1, 2, 0.5])).toThrow(TypeError)
    expect(toHex(encode([1]))).toBe('8101')
  })

  it('refuses numbers it cannot carry exactly', () => {
    for (const value of [0.5, NaN, 2 ** 53, 2n ** 64n, -(2n ** 64n) - 1n]) {
      expect(() => encode(value)).toThrow(TypeError)
    }
    expect(() => encode(Symbol('x') as unknown as CborValue)).toThrow(TypeError)
  })

  it('reads integers of any width as one type, and floats where allowed', () => {
    expect(decode(fromHex('1b0000000000000005'))).toBe(5)
    expect(decode(fromHex('3b0000000000000005'))).toBe(-6)
    expect(decode(fromHex('f93c00'), { floats: true })).toBe(1)
  })

  it('gives byte strings that do not pin the message', () => {
    const message = fromHex('8143010203')
    const [bytes] = decode(message) as [Uint8Array]
    expect(bytes.buffer.byteLength).toBe(3)
  })
})
