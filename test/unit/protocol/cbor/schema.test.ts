import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import {
  type Schema,
  anyItem,
  bool,
  bytes,
  decodeAs,
  either,
  encodeAs,
  int,
  keep,
  kept,
  later,
  listOf,
  mapOf,
  nullable,
  oneOf,
  tagged,
  text,
  tuple,
  uint,
  uint16,
  uint8,
  wrapped,
} from '../../../../protocol/cbor/schema.ts'

const Point = tuple({ x: int, y: uint8 })

function roundTrip<T>(schema: Schema<T>, hex: string): T {
  const value = decodeAs(schema, fromHex(hex), 'it')
  expect(toHex(encodeAs(schema, value))).toBe(hex)
  return value
}

describe('a schema reads and writes', () => {
  it('strings, numbers and booleans', () => {
    expect(roundTrip(bytes(), '420102')).toEqual(Uint8Array.of(1, 2))
    expect(roundTrip(bytes(2), '420102')).toEqual(Uint8Array.of(1, 2))
    expect(roundTrip(text, '62c3bc')).toBe('ü')
    expect(roundTrip(int, '3903e7')).toBe(-1000)
    expect(roundTrip(uint16, '19ffff')).toBe(65_535)
    expect(roundTrip(bool, 'f5')).toBe(true)
    expect(roundTrip(bool, 'f4')).toBe(false)
  })

  it('one of a list of values', () => {
    expect(roundTrip(oneOf(0, -7), '00')).toBe(0)
    expect(roundTrip(oneOf(0, -7), '26')).toBe(-7)
    expect(roundTrip(oneOf('zero', 'one'), '647a65726f')).toBe('zero')
  })

  it('arrays with names for their positions, and lists', () => {
    expect(roundTrip(Point, '822102')).toEqual({ x: -2, y: 2 })
    expect(roundTrip(listOf(Point, 1, 2), '81822102')).toEqual([{ x: -2, y: 2 }])
  })

  it('maps, in the order received', () => {
    const map = decodeAs(mapOf(int), fromHex('a3616101200201 03'.replace(' ', '')), 'it')
    expect([...map]).toEqual([
      ['a', 1],
      [-1, 2],
      [1, 3],
    ])
    expect(toHex(encodeAs(mapOf(int), map))).toBe('a301032002616101')
  })

  it('null or something', () => {
    expect(roundTrip(nullable(int), 'f6')).toBeNull()
    expect(roundTrip(nullable(int), '05')).toBe(5)
  })

  it('tags', () => {
    expect(roundTrip(tagged(18, int), 'd205')).toBe(5)
  })

  it('anything', () => {
    expect(roundTrip(anyItem, '82016161')).toEqual([1, 'a'])
  })

  it('values beside the bytes they came in, which are written again as they were', () => {
    const value = roundTrip(kept(Point), '8221 1802'.replace(' ', ''))
    expect(value).toEqual({ bytes: fromHex('82211802'), value: { x: -2, y: 2 } })
    const inside = roundTrip(wrapped(Point), '4482211802')
    expect(inside).toEqual({ bytes: fromHex('82211802'), value: { x: -2, y: 2 } })
  })

  it('values made here, as bytes', () => {
    expect(keep(Point, { x: 1, y: 2 })).toEqual({
      bytes: fromHex('820102'),
      value: { x: 1, y: 2 },
    })
  })

  it('several forms, writing the first', () => {
    const form = either(bytes(), wrapped(bytes()) as never)
    expect(decodeAs(form, fromHex('4101'), 'it')).toEqual(Uint8Array.of(1))
    const lenient = either(uint8, nullable(int) as Schema<number>)
    expect(decodeAs(lenient, fromHex('20'), 'it')).toBe(-1)
    expect(toHex(encodeAs(lenient, 7))).toBe('07')
  })
})

describe('a schema refuses', () => {
  const wrong: [string, Schema<unknown>, string][] = [
    ['another type for bytes', bytes(), '6161'],
    ['bytes of another length', bytes(2), '4101'],
    ['another type for text', text, '4161'],
    ['another type for an integer', int, '4101'],
    ['an integer beyond 2⁵³', int, '1b0020000000000000'],
    ['a negative beyond −2⁵³', int, '3b001fffffffffffff'],
    ['a negative where it must be unsigned', uint(), '20'],
    ['a number too large', uint8, '190100'],
    ['null for a boolean', bool, 'f6'],
    ['a number for a boolean', bool, '01'],
    ['a value not listed', oneOf(1, 2), '03'],
    ['a text not listed', oneOf('a'), '6162'],
    ['bytes where a value is listed', oneOf(1), '4101'],
    ['too short an array', Point, '8101'],
    ['too long an array', Point, '83010203'],
    ['a map for an array', Point, 'a10102'],
    ['an element of another type', Point, '826161 01'.replace(' ', '')],
    ['too short a list', listOf(int, 1), '80'],
    ['too long a list', listOf(int, 0, 1), '820101'],
    ['a map for a list', listOf(int), 'a0'],
    ['an array for a map', mapOf(int), '80'],
    ['a key that is bytes', mapOf(int), 'a1410101'],
    ['a value of another type in a map', mapOf(int), 'a101f6'],
    ['another tag', tagged(18, int), 'd105'],
    ['no tag', tagged(18, int), '05'],
    ['undefined for null', nullable(int), 'f7'],
    ['an item that is not wrapped', wrapped(int), '05'],
    ['two items where one is wrapped', wrapped(int), '420505'],
    ['every form', either<unknown>(int, text), 'f6'],
  ]
  for (const [what, schema, hex] of wrong) {
    it(what, () => {
      expect(() => decodeAs(schema, fromHex(hex), 'it')).toThrow(
        expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' }),
      )
    })
  }

  it('saying where it went wrong', () => {
    const schema = tuple({ points: listOf(Point) })
    expect(() => decodeAs(schema, fromHex('818182f601'), 'Body')).toThrow(
      'Body.points[0].x: expected an integer',
    )
  })
})

describe('a field that was added later', () => {
  const Old = tuple({ x: int, y: uint8 })
  const New = tuple({ x: int, y: uint8, name: later(text), size: later(int) })

  it('is read and written with those before it', () => {
    expect(roundTrip(New, '840102616105')).toEqual({ x: 1, y: 2, name: 'a', size: 5 })
    expect(roundTrip(New, '8401 02f605'.replace(' ', ''))).toMatchObject({ name: null, size: 5 })
  })

  it('is null in what was written before it', () => {
    expect(roundTrip(New, '820102')).toEqual({ x: 1, y: 2, name: null, size: null })
    expect(roundTrip(New, '8301026161')).toEqual({ x: 1, y: 2, name: 'a', size: null })
  })

  it('does not trouble those who do not know it, as long as it is null', () => {
    const written = encodeAs(New, { x: 1, y: 2, name: null, size: null })
    expect(decodeAs(Old, written, 'it')).toEqual({ x: 1, y: 2 })
  })

  it('changes nothing of what is wanted of the others', () => {
    for (const hex of ['8101', '850102616105f6', '83010205', '82016161']) {
      expect(() => decodeAs(New, fromHex(hex), 'it'), hex).toThrow(/expected/)
    }
  })
})
