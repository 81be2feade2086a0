/** How long messages are dealt with before the event loop turns. */
import { describe, expect, it } from 'vitest'
import { Pace } from '../../../../src/fdo/pace.ts'

const SLICE_MS = 10
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Messages that take so long, on a clock of their own; `done` says in which order, and when. */
function pacing() {
  let now = 0
  const pace = new Pace(() => now)
  const done: string[] = []
  let turn = 0
  const take = async (name: string, ms: number) => {
    const mine = pace.turn()
    if (mine) await mine
    // Not all that a message does is done at once.
    await null
    now += ms
    done.push(`${name} in ${turn}`)
  }
  const turnOver = async () => {
    turn++
    await nextTurn()
  }
  const pass = (ms: number) => (now += ms)
  return { pace, done, take, turnOver, pass }
}

describe('a message', () => {
  it('is dealt with at once while there is time', async () => {
    const { pace, take, done } = pacing()
    expect(pace.turn()).toBeUndefined()
    await take('a', SLICE_MS - 1)
    expect(pace.turn()).toBeUndefined()
    expect(done).toEqual(['a in 0'])
  })

  it('waits for the event loop to turn when there is none left', async () => {
    const { pace, take, turnOver, done } = pacing()
    await take('long', SLICE_MS)
    void take('next', 1)
    expect([pace.length, done]).toEqual([1, ['long in 0']])
    await turnOver()
    expect([pace.length, done]).toEqual([0, ['long in 0', 'next in 1']])
    // What comes in the new turn finds time again.
    expect(pace.turn()).toBeUndefined()
  })

  it('waits behind those that came before it, and is dealt with to its end before the next', async () => {
    const { take, turnOver, done } = pacing()
    await take('long', SLICE_MS)
    const all = [take('a', 4), take('b', 4), take('c', 4), take('d', 4)]
    await turnOver()
    expect(done.slice(1)).toEqual(['a in 1', 'b in 1', 'c in 1'])
    await turnOver()
    await Promise.all(all)
    expect(done.at(-1)).toBe('d in 2')
  })

  it('is the only one of its turn while connections are taken in', async () => {
    const { pace, take, turnOver, done } = pacing()
    pace.newcomer()
    const all = [take('a', 1), take('b', 1), take('c', 1)]
    expect(pace.length).toBe(3)
    await turnOver()
    pace.newcomer()
    expect(done).toEqual(['a in 1'])
    await turnOver()
    expect(done).toEqual(['a in 1', 'b in 2'])
    await turnOver()
    await Promise.all(all)
    expect(done).toEqual(['a in 1', 'b in 2', 'c in 3'])
    expect(pace.turn()).toBeUndefined()
  })
})

describe('those that wait', () => {
  it('are counted, and the first tells for how long', async () => {
    const { pace, take, turnOver, pass } = pacing()
    expect([pace.length, pace.waitedMs]).toEqual([0, 0])
    await take('long', SLICE_MS)
    void take('a', SLICE_MS)
    pass(200)
    void take('b', 1)
    pass(50)
    expect([pace.length, pace.waitedMs]).toEqual([2, 250])
    await turnOver()
    expect([pace.length, pace.waitedMs]).toEqual([1, 50 + SLICE_MS])
    await turnOver()
    expect([pace.length, pace.waitedMs]).toEqual([0, 0])
  })
})
