/** Two logs that part: what the longer one tells of vouchers and devices. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { entryLine } from '../../../../src/audit/lines.ts'
import { type Fork, missedSince } from '../../../../src/audit/missed.ts'
import type { EntryType } from '../../../../src/audit/types.ts'
import { beginningOf } from '../../../../src/audit/entry.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { AuditWorld } from '../../../support/audit-world.ts'

let world: AuditWorld
beforeEach(async () => {
  world = await AuditWorld.open()
})
afterEach(() => world.database.close())

const entry = (type: EntryType, guid: string, detail = {}) => {
  const subject = { guid, device: `d-${guid[0]}` }
  return { party: HOME_PARTY, type, by: 'device', subject, detail }
}
const told = (...entries: ReturnType<typeof entry>[]) => world.append(...entries)
const onboarded = (guid: string, previous_guid: string) =>
  entry('onboarded', guid, { previous_guid })

async function lines(from = 1): Promise<string[]> {
  return (await world.entries()).filter(({ seq }) => seq >= from).map(entryLine)
}
async function* streamed(some: readonly string[]) {
  yield* some
}
const missed = async (fork: Fork, from = 1) => missedSince(fork, streamed(await lines(from)))

async function forkNow(): Promise<Fork> {
  const last = (await world.entries()).at(-1)
  return { party: HOME_PARTY, seq: last?.seq ?? 0, hash: last?.hash ?? beginningOf(HOME_PARTY) }
}

describe('a log that goes on after a back-up', () => {
  it('tells which GUIDs have moved on, of a device that did so twice the last one', async () => {
    await told(entry('voucher-made', 'a1'), entry('voucher-made', 'b1'))
    const fork = await forkNow()
    await told(onboarded('a2', 'a1'), onboarded('a3', 'a2'))
    const found = await missed(fork)
    expect(found).toMatchObject({ entries: 2, gained: [], sold: [] })
    expect(found.moved).toEqual([{ device: 'd-a', guid: 'a3', previous_guid: 'a1' }])
  })

  it('tells what was made, imported and sold since', async () => {
    await told(entry('voucher-made', 'a1'))
    const fork = await forkNow()
    await told(entry('voucher-made', 'b1'), entry('voucher-imported', 'c1'))
    await told(entry('voucher-made', 'e1'), onboarded('e2', 'e1'))
    await told(entry('voucher-handed-over', 'a1'), entry('registered', 'a1'))
    const { gained, sold, moved } = await missed(fork, 1)
    expect(gained.map(({ guid }) => guid)).toEqual(['b1', 'c1', 'e2'])
    expect(sold).toEqual([{ guid: 'a1', device: 'd-a' }])
    expect(moved).toEqual([])
  })

  it('does not tell of what came and went', async () => {
    const fork = await forkNow()
    await told(entry('voucher-made', 'a1'), entry('voucher-handed-over', 'a1'))
    expect(await missed(fork)).toMatchObject({ gained: [], sold: [], entries: 2 })
  })

  it('may begin anywhere up to there, and end there', async () => {
    await told(entry('voucher-made', 'a1'), entry('voucher-made', 'b1'))
    const fork = await forkNow()
    expect(await missed(fork, 2)).toMatchObject({ entries: 0, until: null })
    await told(onboarded('a2', 'a1'))
    expect((await missed(fork, 2)).moved).toHaveLength(1)
  })

  it('is refused if it ends before, is another one, or was changed', async () => {
    await told(entry('voucher-made', 'a1'))
    const fork = await forkNow()
    await told(onboarded('a2', 'a1'))
    const all = await lines()
    const from = (some: readonly string[], at = fork) => missedSince(at, streamed(some))
    await expect(from([])).rejects.toThrow(/ends before entry 1/)
    await expect(from(all, { ...fork, hash: beginningOf('x') })).rejects.toThrow(/not ours/)
    await expect(from(all, { ...fork, party: 'fdop_other' })).rejects.toThrow(/not ours/)
    await expect(from(all.with(1, all[1]!.replace('a2', 'a9')))).rejects.toThrow(
      /broken at entry 2/,
    )
    await expect(from([...all, 'garbage'])).rejects.toThrow(/not JSON/)
  })
})
