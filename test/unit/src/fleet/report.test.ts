/** What a fleet run reports. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fleetReport, percentile } from '../../../../src/fleet/report.ts'

describe('fleetReport', () => {
  it('counts failures by code and leaves them out of the latencies', () => {
    const outcomes = [
      { ms: 10, error: null },
      { ms: 20, error: null },
      { ms: 9999, error: '6' },
      { ms: 9999, error: '6' },
      { ms: 9999, error: 'unreachable' },
    ]
    expect(fleetReport(outcomes, 2)).toEqual({
      count: 5,
      onboarded: 2,
      failed: 3,
      seconds: 2,
      per_second: 1,
      latency_ms: { p50: 10, p95: 20, p99: 20 },
      errors: { '6': 2, unreachable: 1 },
    })
  })

  it('reports nothing done as zeros', () => {
    expect(fleetReport([], 0)).toMatchObject({ per_second: 0, latency_ms: { p50: 0 } })
  })
})

describe('percentile', () => {
  it('is a value that so many do not exceed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 100 }),
        (values, percent) => {
          const sorted = values.toSorted((a, b) => a - b)
          const value = percentile(sorted, percent)
          const atMost = sorted.filter((one) => one <= value).length
          expect(sorted).toContain(value)
          expect(atMost / sorted.length).toBeGreaterThanOrEqual(percent / 100)
        },
      ),
    )
  })
})
