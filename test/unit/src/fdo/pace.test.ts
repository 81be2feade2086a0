/** How many messages are dealt with before the event loop turns. */
import { describe, expect, it } from 'vitest'
import { Pace } from '../../../../src/fdo/pace.ts'

const MOST = 16
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

/** Messages on a clock of their own; `done` says in which order, and in which turn. */
function pacing() {
  let now = 0
  const pace = new Pace(() => now)
  const done: string[] = []
  let turn = 0
  const take = async (name: string) => {
    const mine = pace.turn()
    if (mine) await mine
    done.push(`${name} begins in ${turn}`)
    // Not all that a message does is done at once.
    await null
    done.push(`${name} ends`)
  }
  const turnOver = async (turns = 1) => {
    for (let i = 0; i < turns; i++) {
      turn++
      await nextTurn()
    }
  }
  /** So many that nothing more has room in this turn. */
  const fill = () => {
    for (let i = 0; i < MOST; i++) expect(pace.turn()).toBeUndefined()
  }
  const pass = (ms: number) => (now += ms)
  return { pace, done, take, turnOver, fill, pass }
}

describe('a message', () => {
  it('is dealt with at once while there is room in this turn', async () => {
    const { pace, fill, turnOver } = pacing()
    fill()
    expect(pace.length).toBe(0)
    await turnOver()
    fill()
  })

  it('waits for the event loop to turn when there is none', async () => {
    const { pace, fill, take, turnOver, done } = pacing()
    fill()
    void take('a')
    expect(pace.length).toBe(1)
    await turnOver()
    expect([pace.length, done]).toEqual([0, ['a begins in 1', 'a ends']])
  })

  it('is dealt with as far as it goes before the next, in the order they came', async () => {
    const { fill, take, turnOver, done } = pacing()
    fill()
    const all = [take('a'), take('b'), take('c')]
    await turnOver()
    await Promise.all(all)
    const [a, b, c] = ['a', 'b', 'c'].map((name) => [`${name} begins in 1`, `${name} ends`])
    expect(done).toEqual([...(a ?? []), ...(b ?? []), ...(c ?? [])])
  })

  it('waits for another turn behind as many as have room in one', async () => {
    const { pace, fill, take, turnOver, done } = pacing()
    fill()
    const all = Array.from({ length: MOST + 1 }, (_, i) => take(String(i)))
    await turnOver()
    expect([pace.length, done.length]).toEqual([1, 2 * MOST])
    // What comes now comes after it.
    const last = take('last')
    expect(pace.length).toBe(2)
    await turnOver()
    await Promise.all([...all, last])
    expect(done.slice(-4)).toEqual(['16 begins in 2', '16 ends', 'last begins in 2', 'last ends'])
  })
})

describe('while connections are taken in', () => {
  it('messages wait', async () => {
    const { pace, take, turnOver, done } = pacing()
    pace.newcomer()
    const all = [take('a'), take('b')]
    await turnOver()
    expect(done).toEqual([])
    await turnOver()
    await Promise.all(all)
    expect(done[0]).toBe('a begins in 2')
    expect(pace.turn()).toBeUndefined()
  })

  it('they do not wait for ever', async () => {
    const { pace, take, turnOver, done } = pacing()
    const comeAgain = () => {
      pace.newcomer()
      if (done.length === 0) setImmediate(comeAgain)
    }
    comeAgain()
    const waiting = take('a')
    await turnOver(32)
    expect(done).toEqual([])
    await turnOver()
    await waiting
    expect(done[0]).toBe('a begins in 33')
    // As many turns are left to them again.
    comeAgain()
    pace.newcomer()
    void take('b')
    await turnOver()
    expect(pace.length).toBe(1)
  })
})

describe('those that wait', () => {
  it('are counted, and the first tells for how long', async () => {
    const { pace, fill, take, turnOver, pass } = pacing()
    expect([pace.length, pace.waitedMs]).toEqual([0, 0])
    fill()
    void take('a')
    pass(200)
    void take('b')
    pass(50)
    expect([pace.length, pace.waitedMs]).toEqual([2, 250])
    await turnOver()
    expect([pace.length, pace.waitedMs]).toEqual([0, 0])
  })
})
