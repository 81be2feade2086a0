/** When those who are turned away come again. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RetryAfter } from '../../../src/retry-after.ts'

const MOST_IN_A_SECOND = 300

function tellAll(retryAfter: RetryAfter, count: number, nowMs = 0, random = 0): number[] {
  return Array.from({ length: count }, () => retryAfter.tell(nowMs, random))
}

describe('those who are turned away', () => {
  it('are told to come soon, and not all together', () => {
    const retryAfter = new RetryAfter()
    expect(retryAfter.tell(0, 0)).toBe(2)
    expect(retryAfter.tell(0, 0.5)).toBe(6)
    expect(retryAfter.tell(0, 0.999)).toBe(10)
  })

  it('come later when there are more of them than are wanted in a second', () => {
    const retryAfter = new RetryAfter()
    expect(new Set(tellAll(retryAfter, MOST_IN_A_SECOND))).toEqual(new Set([2]))
    expect(retryAfter.tell(0, 0)).toBe(3)
    // A second on, the full one is nearer.
    expect(retryAfter.tell(1_000, 0)).toBe(2)
  })

  it('come soon again when the others have come', () => {
    const retryAfter = new RetryAfter()
    tellAll(retryAfter, 1_000)
    expect(retryAfter.tell(4_000, 0)).toBe(2)
    tellAll(retryAfter, MOST_IN_A_SECOND, 60_000)
    expect(retryAfter.tell(60_000, 0)).toBe(3)
  })

  it('are spread over a minute, and beyond that come at its end', () => {
    const retryAfter = new RetryAfter()
    const told = tellAll(retryAfter, 59 * MOST_IN_A_SECOND)
    expect(told.filter((seconds) => seconds === 59)).toHaveLength(MOST_IN_A_SECOND)
    expect(tellAll(retryAfter, 5)).toEqual([60, 60, 60, 60, 60])
  })

  it('never come all in the same second while there is another', () => {
    const waves = fc.array(fc.tuple(fc.nat(20_000), fc.nat(600)), { maxLength: 20 })
    fc.assert(
      fc.property(waves, fc.double({ min: 0, max: 0.999, noNaN: true }), (waves, random) => {
        const retryAfter = new RetryAfter()
        const expected = new Map<number, number>()
        for (const [afterMs, count] of waves.toSorted(([a], [b]) => a - b)) {
          for (const seconds of tellAll(retryAfter, count, afterMs, random)) {
            const at = Math.floor(afterMs / 1000) + seconds
            expected.set(at, (expected.get(at) ?? 0) + 1)
          }
        }
        expect(Math.max(0, ...expected.values())).toBeLessThanOrEqual(MOST_IN_A_SECOND)
      }),
    )
  })
})
