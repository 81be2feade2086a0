/** Figures of several processes, told as those of one service. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Family, lasting, textOf, together } from '../../../src/figures.ts'
import { Metrics } from '../../../src/metrics.ts'

const family = (how: Family['together'], series: Family['series']): Family => {
  return { name: 'x', help: 'What it is', type: 'gauge', together: how, series }
}

describe('figures of several processes', () => {
  it('add up, whichever counted what', () => {
    const names = fc.constantFrom('a', 'b', 'c')
    const counts = fc.array(fc.dictionary(names, fc.nat(), { noNullPrototype: true }))
    fc.assert(
      fc.property(counts, (processes) => {
        const families = processes.map((one) => [family('sum', Object.entries(one))])
        const sum = Object.fromEntries(together(families)[0]?.series ?? [])
        for (const name of ['a', 'b', 'c']) {
          const all = processes.flatMap((one) => one[name] ?? [])
          expect(sum[name]).toBe(
            all.length === 0 ? undefined : all.reduce((total, one) => total + one, 0),
          )
        }
      }),
    )
  })

  it('are the largest, or the smallest, where a sum says nothing', () => {
    const of = (how: Family['together']) =>
      together([[family(how, [['x', 2]])], [family(how, [['x', 5]])]])[0]?.series
    expect([of('max'), of('min')]).toEqual([[['x', 5]], [['x', 2]]])
  })

  it('last longer than their process where they only grow', () => {
    const all = ['counter', 'histogram', 'gauge'].map((type) => ({ ...family('sum', []), type }))
    expect(lasting(all).map(({ type }) => type)).toEqual(['counter', 'histogram'])
  })

  it('are written as Prometheus reads them', () => {
    expect(textOf(family('sum', [['x{a="b"}', 1.5]]))).toBe(
      '# HELP x What it is\n# TYPE x gauge\nx{a="b"} 1.5',
    )
  })

  it('are told by whoever is asked, with what all find alike told once', async () => {
    let others: readonly Family[] = []
    const metrics: Metrics = new Metrics({
      figures: async () => together([await metrics.own(), others]),
    })
    metrics.counter('seen_total', 'What was seen').add()
    metrics.watch({
      ...{ name: 'due', help: 'What is due', type: 'gauge', isShared: true, labels: [] },
      samples: () => [[[], 3]],
    })
    others = await metrics.own()
    const text = await metrics.text()
    expect(text).toContain('\nseen_total 2\n')
    expect(text).toContain('\ndue 3\n')
    expect(text.match(/^# TYPE due /gm)).toHaveLength(1)
    expect(text).toMatch(/^nodejs_version_info\{.*\} 1$/m)
    expect(text).toMatch(/^nodejs_gc_duration_seconds_count|^# TYPE nodejs_gc_duration_seconds/m)
  })
})
