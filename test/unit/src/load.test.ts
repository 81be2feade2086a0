/** When a process is behind, and when it has caught up. */
import { describe, expect, it } from 'vitest'
import { Load } from '../../../src/load.ts'
import { keepBusy } from '../../support/keep-busy.ts'

const LATE = 200
const IN_TIME = 5

function noting(load: Load, ...samples: number[]) {
  for (const lateMs of samples) load.note(lateMs)
  return load.isBehind
}

describe('the load of a process', () => {
  it('is too much when the event loop is late four times running', () => {
    const load = new Load()
    expect(noting(load, LATE, LATE, LATE)).toBe(false)
    expect(noting(load, LATE)).toBe(true)
  })

  it('is not too much for a pause now and then', () => {
    expect(noting(new Load(), LATE, LATE, LATE, IN_TIME, LATE, 5_000, LATE)).toBe(false)
  })

  it('is so until the event loop has caught up, not merely improved', () => {
    const load = new Load()
    noting(load, LATE, LATE, LATE, LATE)
    expect(noting(load, 100, 60)).toBe(true)
    expect(noting(load, IN_TIME)).toBe(false)
  })

  it('is not too much where others on the machine made the event loop late', () => {
    const load = new Load()
    const idle = 0.1
    for (let i = 0; i < 9; i++) load.note(LATE, idle)
    expect(load.isBehind).toBe(false)
    noting(load, LATE, LATE, LATE, LATE)
    load.note(100, idle)
    expect(load.isBehind).toBe(false)
  })

  it('lets nothing begin while it is too much', () => {
    const load = new Load()
    expect(load.begin()).toBe(true)
    noting(load, LATE, LATE, LATE, LATE)
    expect(load.begin()).toBe(false)
    noting(load, IN_TIME)
    expect(load.begin()).toBe(true)
  })

  it('lets so many begin that have not been answered, and no more', () => {
    const load = new Load({ mostBegun: 2 })
    expect([load.begin(), load.begin(), load.begin()]).toEqual([true, true, false])
    load.end()
    expect([load.begin(), load.begin()]).toEqual([true, false])
  })

  it('lets nothing begin while too many wait for the database', () => {
    let waiting = 99
    const load = new Load({ waiting: () => waiting })
    expect(load.begin()).toBe(true)
    waiting = 100
    expect(load.begin()).toBe(false)
    waiting = 0
    expect(load.begin()).toBe(true)
  })

  it('is too much while so many messages are under way, and no longer', () => {
    let underWay = 249
    const load = new Load({ underWay: () => underWay })
    expect(load.mayBegin).toBe(true)
    underWay = 250
    expect(load.begin()).toBe(false)
    underWay = 0
    expect(load.begin()).toBe(true)
  })

  it('is too much while messages take too long', () => {
    let takenMs = 999
    const load = new Load({ takenMs: () => takenMs })
    expect(load.begin()).toBe(true)
    takenMs = 1_000
    expect(load.begin()).toBe(false)
    takenMs = 0
    expect(load.begin()).toBe(true)
  })

  it('is too much while messages wait for too long, though the event loop has not turned', () => {
    let waitedMs = 299
    const load = new Load({ waitedMs: () => waitedMs })
    expect(load.begin()).toBe(true)
    waitedMs = 300
    expect(load.begin()).toBe(false)
    waitedMs = 0
    expect(load.begin()).toBe(true)
  })

  it('tells those who are turned away when to come, and counts them', () => {
    const load = new Load()
    const told = Array.from({ length: 200 }, () => load.turnAway('message 60'))
    expect(Math.min(...told)).toBe(2)
    expect(Math.max(...told)).toBe(10)
    load.turnAway('management API')
    expect([...load.turnedAway]).toEqual([
      ['message 60', 200],
      ['management API', 1],
    ])
  })

  it('is too much when the event loop has more to do than it can, as it is watched', async () => {
    const load = new Load()
    const stop = new AbortController()
    const watching = load.watch(stop.signal)
    // Each turn of the loop takes longer than a sample may be late.
    while (!load.isBehind) {
      keepBusy(LATE + 50)
      await new Promise((resolve) => setImmediate(resolve))
    }
    stop.abort()
    await watching
  })

  it('is watched until the signal comes', async () => {
    const load = new Load()
    const stop = new AbortController()
    const watching = load.watch(stop.signal)
    stop.abort()
    await watching
    expect(load.isBehind).toBe(false)
  })
})
