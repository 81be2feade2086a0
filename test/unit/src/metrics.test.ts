/** What Prometheus reads, as it reads it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Histogram, seriesOf } from '../../../src/measures.ts'
import { Metrics } from '../../../src/metrics.ts'

describe('a histogram', () => {
  it('has each bucket hold all that was at most as long', () => {
    const histogram = new Histogram([0.1, 1])
    for (const seconds of [0.05, 0.1, 0.5, 7]) histogram.observe(seconds, 'p256', 'memory')
    expect([...histogram.series('took', ['kind', 'held'])]).toEqual([
      ['took_bucket{kind="p256",held="memory",le="0.1"}', 2],
      ['took_bucket{kind="p256",held="memory",le="1"}', 3],
      ['took_bucket{kind="p256",held="memory",le="+Inf"}', 4],
      ['took_sum{kind="p256",held="memory"}', 7.65],
      ['took_count{kind="p256",held="memory"}', 4],
    ])
  })

  it('counts everything once, whatever the bounds', () => {
    const seconds = fc.double({ min: 0, max: 100, noNaN: true })
    fc.assert(
      fc.property(fc.array(seconds, { maxLength: 30 }), fc.array(seconds), (observed, some) => {
        const bounds = [...new Set(some)].toSorted((a, b) => a - b)
        const histogram = new Histogram(bounds)
        for (const one of observed) histogram.observe(one)
        for (const [series, count] of histogram.series('x', [])) {
          const [, le] = /^x_bucket\{le="([^"]*)"\}$/.exec(series) ?? []
          if (le === undefined) continue
          const limit = le === '+Inf' ? Infinity : Number(le)
          expect(count).toBe(observed.filter((one) => one <= limit).length)
        }
      }),
    )
  })
})

describe('a label', () => {
  it('may hold anything', () => {
    expect(seriesOf('x', ['a'], ['"\\\n'])).toBe('x{a="\\"\\\\\\n"}')
  })
})

describe('the figures', () => {
  it('leave out what cannot be read, and have all else', async () => {
    const metrics = new Metrics()
    metrics.watch({
      ...{ name: 'gone', help: 'Nobody answers', type: 'gauge', labels: [] },
      samples: () => Promise.reject(new Error('no database')),
    })
    metrics.counter('seen_total', 'What was seen', 'what').add('this')
    metrics.countEvent('device-onboarded')
    const text = await metrics.text()
    expect(text).not.toContain('gone')
    expect(text).toContain(
      '# HELP seen_total What was seen\n# TYPE seen_total counter\nseen_total{what="this"} 1\n',
    )
    expect(text).toContain('firstlight_events_total{event="device-onboarded"} 1\n')
    expect(text).toContain('nodejs_eventloop_lag_p99_seconds')
  })
})
