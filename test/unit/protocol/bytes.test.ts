import { describe, expect, it } from 'vitest'
import { allocate, fromUtf8, utf8, view } from '../../../protocol/bytes.ts'

describe('allocate', () => {
  it('gives zeros that are nobody else’s, of any length', () => {
    const given: Uint8Array[] = []
    for (let i = 0; i < 200; i++) {
      for (const length of [0, 1, 33, 2_047, 2_048, 2_049, 9_000]) {
        const bytes = allocate(length)
        expect(bytes).toHaveLength(length)
        expect(bytes.every((byte) => byte === 0)).toBe(true)
        bytes.fill(given.length % 255 || 1)
        given.push(bytes)
      }
    }
    const overwritten = given.filter((bytes, i) => bytes.some((byte) => byte !== (i % 255 || 1)))
    expect(overwritten).toEqual([])
  })
})

describe('view', () => {
  it('is a part of the bytes it is of, whatever those are a part of', () => {
    const whole = Uint8Array.of(0, 1, 2, 3, 4, 5)
    const part = view(whole.subarray(1), 1, 3)
    expect([...part]).toEqual([2, 3])
    part[0] = 9
    expect(whole[2]).toBe(9)
    expect([...view(Buffer.from([7, 8, 9]), 1, 3)]).toEqual([8, 9])
  })
})

describe('UTF-8', () => {
  const texts = ['', 'devmod:active', 'ü', 'a'.repeat(128), 'a'.repeat(129), `${'a'.repeat(127)}é`]

  it('is written and read as the platform does, short or long', () => {
    for (const text of texts) {
      expect(utf8(text)).toEqual(new Uint8Array(Buffer.from(text)))
      expect(fromUtf8(utf8(text))).toBe(text)
    }
  })

  it('that is none is refused, short or long', () => {
    for (const length of [1, 200]) {
      const bytes = new Uint8Array(length).fill(0x61)
      bytes[length - 1] = 0xff
      expect(() => fromUtf8(bytes)).toThrow(TypeError)
    }
  })
})
