import { describe, expect, it } from 'vitest'
import { fromHex } from '../../../../protocol/bytes.ts'
import { diagnosticOf } from '../../../../protocol/cbor/diagnostic.ts'
import { FdoError } from '../../../../protocol/errors.ts'

describe('diagnostic notation', () => {
  const examples: [string, string][] = [
    ['00', '0'],
    ['3903e7', '-1000'],
    ['1bffffffffffffffff', '18446744073709551615'],
    ['3bffffffffffffffff', '-18446744073709551616'],
    ['43010203', "h'010203'"],
    ['6449455446', '"IETF"'],
    ['62225c', '"\\"\\\\"'],
    ['80', '[]'],
    ['8301820203f6', '[1, [2, 3], null]'],
    ['a0', '{}'],
    ['a201020304', '{1: 2, 3: 4}'],
    ['84f4f5f6f7', '[false, true, null, undefined]'],
    ['d28140', "18([h''])"],
    ['f93e00', '1.5'],
    ['f93c00', '1.0'],
    ['f9c400', '-4.0'],
    ['f90001', '5.960464477539063e-8'],
    ['f97c00', 'Infinity'],
    ['f9fc00', '-Infinity'],
    ['f97e00', 'NaN'],
    ['fa47c35000', '100000.0'],
    ['fb3ff199999999999a', '1.1'],
  ]
  for (const [hex, text] of examples) {
    it(`of ${hex} is ${text}`, () => {
      expect(diagnosticOf(fromHex(hex))).toBe(text)
    })
  }

  it('can show what is inside byte strings, if it is a structure', () => {
    const options = { embedded: true }
    expect(diagnosticOf(fromHex('8243820102421801'), options)).toBe("[<<[1, 2]>>, h'1801']")
    expect(diagnosticOf(fromHex('4281ff'), options)).toBe("h'81ff'")
  })

  it('can go on a line for each element', () => {
    const text = diagnosticOf(fromHex('83a101820203 80d28101'.replace(' ', '')), { lines: true })
    expect(text).toBe(
      '[\n  {\n    1: [\n      2,\n      3\n    ]\n  },\n  [],\n  18([\n    1\n  ])\n]',
    )
  })

  it('can cut what is long', () => {
    expect(diagnosticOf(fromHex('43010203'), { maxBytes: 2 })).toBe("h'0102…'/3/")
    expect(diagnosticOf(fromHex('420102'), { maxBytes: 2 })).toBe("h'0102'")
  })

  it('is for strict CBOR only', () => {
    expect(() => diagnosticOf(fromHex('9fff'))).toThrow(FdoError)
  })
})
