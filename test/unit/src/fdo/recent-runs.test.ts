import { describe, expect, it } from 'vitest'
import type { HeldState, MountedRole } from '../../../../src/fdo/mounted-role.ts'
import { RecentRuns } from '../../../../src/fdo/recent-runs.ts'
import type { Turn } from '../../../../src/fdo/turn.ts'

const role = { firstMessage: 60 } as MountedRole
const run = { id: new Uint8Array(16), role: 60, startedAt: 0 }
const turnWith = (bytes: number): Turn => {
  const held: HeldState = { state: { expects: 'x' }, packed: new Uint8Array(bytes) }
  return { role, run, held, row: undefined }
}

describe('runs answered lately', () => {
  it('are found once by their token', () => {
    const runs = new RecentRuns()
    const turn = turnWith(10)
    runs.keep('a', turn, 100)
    expect(runs.take('a', 60, 99)).toBe(turn)
    expect(runs.take('a', 60, 99)).toBeUndefined()
  })

  it('are not found once their token has expired', () => {
    const runs = new RecentRuns()
    runs.keep('a', turnWith(10), 100)
    expect(runs.take('a', 60, 100)).toBeUndefined()
  })

  it('stay where a message of another protocol brings their token', () => {
    const runs = new RecentRuns()
    const turn = turnWith(10)
    runs.keep('a', turn, 100)
    expect(runs.take('a', 30, 0)).toBeUndefined()
    expect(runs.take('a', 60, 0)).toBe(turn)
  })

  it('make room for later ones: a flood costs no more than so much', () => {
    const runs = new RecentRuns()
    for (let i = 0; i <= 2_000; i++) runs.keep(String(i), turnWith(10), 100)
    expect(runs.take('0', 60, 0)).toBeUndefined()
    expect(runs.take('1', 60, 0)).toBeDefined()
    expect(runs.take('2000', 60, 0)).toBeDefined()
  })

  it('leave a large state to its row', () => {
    const runs = new RecentRuns()
    runs.keep('a', turnWith(8_193), 100)
    runs.keep('b', turnWith(8_192), 100)
    expect(runs.take('a', 60, 0)).toBeUndefined()
    expect(runs.take('b', 60, 0)).toBeDefined()
  })

  it('are forgotten when they expire, and when their peer gives up', () => {
    const runs = new RecentRuns()
    runs.keep('old', turnWith(10), 100)
    runs.keep('young', turnWith(10), 200)
    runs.keep('over', turnWith(10), 200)
    runs.dropExpired(100)
    runs.drop('over')
    expect(['old', 'over', 'young'].map((one) => runs.take(one, 60, 0) !== undefined)).toEqual([
      false,
      false,
      true,
    ])
  })
})
