/** The processes of one service: who starts first, who is replaced, and when all is over. */
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { createLog } from '../../../../src/log.ts'
import { Crew } from '../../../../src/processes/crew.ts'
import { FakeHand } from '../../../support/hands.ts'

let clock: FakeClock
let hands: FakeHand[]
let lines: Record<string, unknown>[]
let crew: Crew
beforeEach(() => {
  clock = new FakeClock()
  hands = []
  lines = []
  crew = crewOf(2)
})

function crewOf(count: number): Crew {
  const fork = () => {
    const hand = new FakeHand(hands.length + 1)
    hands.push(hand)
    return hand
  }
  const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line)) })
  return new Crew(count, { fork, clock, log })
}

const settled = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}
const said = () => lines.map(({ msg }) => msg)

async function started(): Promise<void> {
  const starting = crew.start()
  hands[0]?.begin()
  await settled()
  hands[1]?.begin()
  await starting
}

/** Lets time pass, and gives those that were started meanwhile. */
async function after(ms: number): Promise<readonly FakeHand[]> {
  const before = hands.length
  clock.advance(ms)
  await settled()
  return hands.slice(before)
}

describe('a crew', () => {
  it('has one process start, which makes what is made once, and then the others', async () => {
    const starting = crew.start()
    await settled()
    expect(hands).toHaveLength(1)
    hands[0]!.begin()
    await settled()
    expect(hands).toHaveLength(2)
    let isReady = false
    void starting.then(() => (isReady = true))
    await settled()
    expect(isReady).toBe(false)
    hands[1]!.begin()
    expect(await starting).toMatchObject({ http: 'http://127.0.0.1:8080' })
  })

  it('does not start where one of them does not, and says what that one says', async () => {
    const starting = crew.start()
    hands[0]!.begin()
    await settled()
    hands[1]!.refuse('FIRSTLIGHT_PORT: in use')
    await expect(starting).rejects.toThrow('FIRSTLIGHT_PORT: in use')
    expect(hands.every(({ isGone }) => isGone)).toBe(true)
  })

  it('told to stop while it starts begins nothing more', async () => {
    const starting = crew.start()
    const stopped = crew.stop()
    await expect(starting).rejects.toThrow('status 0')
    await stopped
    expect(hands).toHaveLength(1)
  })

  it('replaces at once who dies, and who dies again ever more slowly', async () => {
    await started()
    await after(60_000)
    hands[0]!.die('SIGKILL')
    await settled()
    const [second = expect.fail()] = await after(0)
    expect(lines).toMatchObject([{ level: 'error', pid: 1, how: 'SIGKILL' }])
    second.begin()
    await settled()
    second.die('status 1')
    await settled()
    expect(await after(999)).toEqual([])
    const [third = expect.fail()] = await after(1)
    third.die('status 1')
    await settled()
    expect(await after(1_999)).toEqual([])
    const [fourth = expect.fail()] = await after(1)
    fourth.begin()
    await settled()
    await after(60_000)
    fourth.die('status 1')
    await settled()
    expect(await after(0)).toHaveLength(1)
    expect(hands[1]!.isGone).toBe(false)
  })

  it('waits for a minute at most', async () => {
    await started()
    hands[0]!.die('status 1')
    for (let i = 0; i < 12; i++) {
      await settled()
      const [next = expect.fail()] = await after(60_000)
      next.die('status 1')
    }
  })

  it('does without one that is refused, and not even that is tried again', async () => {
    await started()
    hands[0]!.die('SIGKILL')
    await settled()
    const [next = expect.fail()] = await after(1_000)
    next.refuse('the PIN is wrong')
    await settled()
    expect(await after(3_600_000)).toEqual([])
    expect(said()).toContain('a process of the service does not start')
    hands[1]!.die('SIGKILL')
    await settled()
    const [last = expect.fail()] = await after(0)
    last.refuse('the PIN is wrong')
    await expect(crew.ended).rejects.toThrow('the PIN is wrong')
  })

  it('tries again where the database is away, as long as another answers', async () => {
    await started()
    hands[0]!.die('SIGKILL')
    await settled()
    const [next = expect.fail()] = await after(1_000)
    next.refuse('DATABASE_URL: away', true)
    await settled()
    expect(await after(2_000)).toHaveLength(1)
  })

  it('is relieved one after the other, nobody stopped before another is ready', async () => {
    await started()
    const relieved = crew.relieve()
    await settled()
    expect(hands).toHaveLength(3)
    expect(hands[0]!.isGone).toBe(false)
    hands[2]!.begin()
    await settled()
    expect([hands[0]!.isGone, hands[1]!.isGone]).toEqual([true, false])
    hands[3]!.begin()
    await relieved
    await settled()
    expect(hands.map(({ isGone }) => isGone)).toEqual([true, true, false, false])
    expect(said()).toEqual(['every process has been replaced'])
    hands[2]!.die('SIGKILL')
    await settled()
    expect(await after(1_000)).toHaveLength(1)
  })

  it('keeps who is there where a new one does not start', async () => {
    await started()
    const relieved = crew.relieve()
    await settled()
    hands[2]!.refuse('FIRSTLIGHT_TRUST: there is no file')
    await relieved
    expect(said()).toEqual(['a new process does not start: those that are there go on'])
    expect(hands.map(({ isGone }) => isGone)).toEqual([false, false, true])
  })

  it('replaces one that dies while it is relieved, once', async () => {
    await started()
    const relieved = crew.relieve()
    await settled()
    hands[0]!.die('SIGKILL')
    await settled()
    expect(hands).toHaveLength(3)
    hands[2]!.begin()
    await settled()
    hands[3]!.begin()
    await relieved
    expect(await after(60_000)).toEqual([])
  })

  it('fills a place that was given up when it is relieved', async () => {
    await started()
    hands[0]!.die('SIGKILL')
    await settled()
    const [refused = expect.fail()] = await after(1_000)
    refused.refuse('no')
    await settled()
    const relieved = crew.relieve()
    await settled()
    hands[3]!.begin()
    await settled()
    hands[4]!.begin()
    await relieved
    hands[3]!.die('SIGKILL')
    await settled()
    expect(await after(10_000)).toHaveLength(1)
  })

  it('tells all to take up what has changed, and to stop', async () => {
    await started()
    crew.reload()
    await crew.stop()
    for (const { heard } of hands) {
      expect(heard).toEqual([{ kind: 'reload' }, { kind: 'stop', idleMs: 2_000 }])
    }
    await settled()
    expect(await after(60_000)).toEqual([])
  })
})
