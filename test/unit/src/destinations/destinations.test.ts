/** Places elsewhere, with errands in memory and a clock that is moved by hand. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import type { Pauses, Verdict } from '../../../../src/destinations/destination.ts'
import { Destinations } from '../../../../src/destinations/destinations.ts'
import { silentLog } from '../../../../src/log.ts'

interface Job {
  readonly at: string
  readonly due: number
}

let clock: FakeClock
let jobs: Job[]
let tried: string[]
let verdict: (pauses: Pauses) => Verdict
let looks: number
let findNext: () => void
let places: Destinations<Job>

beforeEach(() => {
  clock = new FakeClock()
  jobs = []
  tried = []
  looks = 0
  verdict = () => ({ kind: 'there' })
  findNext = () => {}
  places = new Destinations(
    {
      ...{ clock, log: silentLog, random: () => 0.5 },
      pace: { atOnce: 2, firstPauseMs: 1_000, longestPauseMs: 4_000 },
      telling: { key: 'place', stuck: 'stuck', away: 'away' },
    },
    (name) => ({
      async findDue(now, limit) {
        looks++
        const isDue = ({ at, due }: Job) => at === name && new Date(due) <= new Date(now)
        return jobs.filter(isDue).slice(0, limit)
      },
      async findNext() {
        const dues = jobs.filter(({ at }) => at === name).map(({ due }) => due)
        findNext()
        return dues.length === 0 ? undefined : new Date(Math.min(...dues)).toISOString()
      },
      async tryAll(due, pauses) {
        tried.push(...due.map(({ at }) => at))
        const said = verdict(pauses)
        if (said.kind === 'there') jobs = jobs.filter((job) => !due.includes(job))
        return said
      },
    }),
  )
  places.start()
})
afterEach(() => places.stop())

const put = (at: string, inMs = 0) => jobs.push({ at, due: clock.now().getTime() + inMs })
const turn = async () => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a destination', () => {
  it('is let go when nothing is left to do there, and had again when something is', async () => {
    for (let i = 0; i < 100; i++) {
      put(`host-${i}`)
      places.wake(`host-${i}`)
    }
    expect(places.size).toBe(100)
    await turn()
    expect(tried).toHaveLength(100)
    expect(places.size).toBe(0)
    put('host-7')
    places.wake('host-7')
    await turn()
    expect(tried.at(-1)).toBe('host-7')
    expect(places.size).toBe(0)
  })

  it('is kept while something will be due there', async () => {
    put('a', 10_000)
    places.wake('a')
    await turn()
    expect([places.size, tried]).toEqual([1, []])
    clock.advance(10_000)
    await turn()
    expect([places.size, tried]).toEqual([0, ['a']])
  })

  it('misses nobody who comes while it is about to be let go', async () => {
    findNext = () => {
      findNext = () => {}
      put('a')
      places.wake('a')
    }
    places.wake('a')
    await turn()
    expect(tried).toEqual(['a'])
    expect(places.size).toBe(0)
  })

  it('that is away is tried one by one, ever more rarely, and says why', async () => {
    verdict = () => ({ kind: 'away', reason: 'nobody there' })
    for (let i = 0; i < 3; i++) put('a')
    places.wake('a')
    await turn()
    expect(tried).toHaveLength(2)
    expect(places.lastErrorOf('a')).toBe('nobody there')
    for (const [pauseMs, after] of [
      [999, 2],
      [1, 3],
      [1_999, 3],
      [1, 4],
      [4_000, 5],
      [4_000, 6],
    ] as const) {
      clock.advance(pauseMs)
      await turn()
      expect(tried).toHaveLength(after)
    }
    verdict = () => ({ kind: 'there' })
    places.open('a')
    await turn()
    expect([jobs, places.lastErrorOf('a')]).toEqual([[], undefined])
    // When it would have been tried again there is nothing left.
    clock.advance(4_000)
    await turn()
    expect(places.size).toBe(0)
  })

  it('that says for how long is left alone for so long', async () => {
    verdict = () => ({ kind: 'away', reason: 'busy', pauseMs: 60_000 })
    put('a')
    places.wake('a')
    await turn()
    clock.advance(59_999)
    places.wake('a')
    await turn()
    expect(tried).toHaveLength(1)
    clock.advance(1)
    await turn()
    expect(tried).toHaveLength(2)
  })

  it('that is held up waits to be called', async () => {
    verdict = () => ({ kind: 'held-up' })
    put('a')
    places.wake('a')
    await turn()
    const before = looks
    clock.advance(3_600_000)
    await turn()
    expect(looks).toBe(before)
    verdict = () => ({ kind: 'there' })
    places.wakeAll()
    await turn()
    expect(jobs).toEqual([])
  })

  it('goes on after an error of ours, in a while', async () => {
    verdict = () => {
      throw new Error('a bug')
    }
    put('a')
    places.wake('a')
    await turn()
    verdict = () => ({ kind: 'there' })
    expect(jobs).toHaveLength(1)
    clock.advance(1_000)
    await turn()
    expect(jobs).toEqual([])
  })

  it('is not looked for when it will be due, where that was said', async () => {
    verdict = (pauses) => {
      pauses.expect(new Date(clock.now().getTime() + 5_000))
      return { kind: 'there' }
    }
    let asked = 0
    findNext = () => asked++
    put('a')
    places.wake('a')
    await turn()
    expect([asked, places.size]).toEqual([0, 1])
    clock.advance(5_000)
    await turn()
    expect([asked, places.size]).toEqual([1, 0])
  })

  it('leaves nothing behind when all are stopped', async () => {
    put('a', 10_000)
    places.wake('a')
    await turn()
    await places.stop()
    clock.advance(10_000)
    await turn()
    expect(tried).toEqual([])
  })
})
