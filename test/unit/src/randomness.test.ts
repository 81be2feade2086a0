/** Randomness drawn in large pieces: none of it is ever given to two. */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocol/bytes.ts'
import { pooledRandomBytes } from '../../../src/randomness.ts'

describe('pooled randomness', () => {
  it('gives as many bytes as are asked for, small and large', () => {
    const randomBytes = pooledRandomBytes()
    for (const length of [0, 1, 12, 64, 65, 5000]) expect(randomBytes(length)).toHaveLength(length)
  })

  it('gives out no byte twice, over many pools', () => {
    const randomBytes = pooledRandomBytes()
    const seen = new Set(Array.from({ length: 5_000 }, () => toHex(randomBytes(12))))
    expect(seen.size).toBe(5_000)
  })

  it('fills what it gives to the end, also at the end of a pool', () => {
    const randomBytes = pooledRandomBytes()
    for (let i = 0; i < 1_000; i++) expect(randomBytes(61).some((byte) => byte !== 0)).toBe(true)
    const ends = Array.from({ length: 1_000 }, () => toHex(randomBytes(61).subarray(29)))
    expect(new Set(ends).size).toBe(1_000)
    expect(ends).not.toContain('00'.repeat(32))
  })

  it('gives each its own memory', () => {
    const randomBytes = pooledRandomBytes()
    const [one, other] = [randomBytes(16), randomBytes(16)]
    const before = toHex(other)
    one.fill(7)
    expect(toHex(other)).toBe(before)
    expect(one.buffer).not.toBe(other.buffer)
  })
})
