/** What a device that has just been made costs the rules: it alone is looked at. */
import { CompiledQuery } from 'kysely'
import { expect, it, vi } from 'vitest'
import { isOnPostgres, openDatabase } from '../../../support/database.ts'
import { quiet } from '../../../support/quiet.ts'
import { freshQuery, listFresh } from '../../../../src/transfer/rules/store.ts'
import { Sweep } from '../../../../src/transfer/rules/sweep.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { silentLog } from '../../../../src/log.ts'

const party = 'fdop_a'
const rule = {
  ...{ id: 'fdol_1', party, model: 'M', partner: null, to_party: 'fdop_b' },
  ...{ last_error: null, created_at: '' },
}

async function worldWith(held: number, lease?: { isHeld: boolean }) {
  const database = await openDatabase(':memory:')
  const add = (i: number, more: object = {}) =>
    database.db
      .insertInto('voucher')
      .values({
        ...{ guid: `guid ${i}`, party, device_id: `fdod_${i}`, device_info: 'M', owner_key: '' },
        ...{ state: 'held', origin: 'made', entries: 1, revision: 1, superseded_by: null },
        ...{ exported_at: null, deleted_from: null, entry_style: 'fdo-1.1', cbor: Buffer.alloc(0) },
        ...{ created_at: '', updated_at: '', ...more },
      })
      .execute()
  for (let i = 0; i < held; i++) await add(i)
  const handed: string[][] = []
  const clock = new FakeClock()
  const sweep = new Sweep({
    ...{ database, clock, log: silentLog, lease },
    parties: { isActive: async () => true },
    rules: async () => [rule],
    receiverOf: async () => ({ kind: 'party', id: 'fdop_b', name: 'b' }),
    handover: {
      async hand(_giver, _receiver, guids) {
        if (guids.length > 0) handed.push([...guids])
        const refused = { ok: false, check: 'x', detail: 'no key of theirs', transfer: null }
        return guids.map((guid) => ({ guid, ...refused }))
      },
    },
  })
  return { database, add, handed, sweep, clock }
}

it.each([0, 10, 500])('is the same with %i held that could not be handed over', async (held) => {
  const { database, add, handed, sweep } = await worldWith(held)
  sweep.start()
  const refused = () => database.db.selectFrom('transfer_refusal').select('guid').execute()
  await vi.waitFor(async () => expect(await refused()).toHaveLength(held), 20_000)
  // What is looked at when it starts has been, even where that was nothing.
  await quiet()
  handed.length = 0
  for (const guid of [1_000, 1_001]) await add(guid)
  await add(1_002, { device_info: 'other' })
  await add(1_003, { state: 'superseded' })
  await add(1_004, { origin: 'onboarded' })
  for (let i = 999; i < 1_005; i++) sweep.wakeFor(party, `guid ${i}`)
  await vi.waitFor(() => expect(handed).toEqual([['guid 1000', 'guid 1001']]), 20_000)
  // Who was refused waits for its time.
  await vi.waitFor(async () => expect(await refused()).toHaveLength(held + 2), 20_000)
  sweep.wakeFor(party, 'guid 1000')
  await sweep.stop()
  expect(handed).toHaveLength(1)
  const guids = ['guid 0', 'guid 1000', 'guid 5000']
  const looked = await listFresh(database.db, { party, guids })
  expect(looked.length).toBeLessThanOrEqual(2)
  await database.close()
})

// PostgreSQL’s plans go by how much there is, and here is little.
it.skipIf(isOnPostgres)('finds each by its name, and passes over no others', async () => {
  const { database } = await worldWith(0)
  const { sql, parameters } = freshQuery(database.db, party, ['a', 'b']).compile()
  const plan = CompiledQuery.raw(`explain query plan ${sql}`, [...parameters])
  const { rows } = await database.db.executeQuery<{ detail: string }>(plan)
  expect(rows.map(({ detail }) => detail).join()).toMatch(
    /^SEARCH voucher USING INDEX \S+ \((guid=\? AND party=\?|party=\? AND (state=\? AND )?guid=\?)\)/,
  )
  await database.close()
})

it('becomes a look at everything where too many come at once', async () => {
  const { database, handed, sweep } = await worldWith(3)
  for (let i = 0; i <= 10_000; i++) sweep.wakeFor(party, `guid ${i}`)
  sweep.start()
  await vi.waitFor(() => expect(handed.flat()).toHaveLength(3), 20_000)
  await sweep.stop()
  await database.close()
})

it('is all that a process does where another makes the rounds', async () => {
  const lease = { isHeld: false }
  const { database, add, handed, sweep, clock } = await worldWith(3, lease)
  sweep.start()
  await add(1_000)
  sweep.wakeFor(party, 'guid 1000')
  await vi.waitFor(() => expect(handed).toEqual([['guid 1000']]), 20_000)
  clock.advance(60_000)
  await add(1_001)
  sweep.wakeFor(party, 'guid 1001')
  await vi.waitFor(() => expect(handed.flat()).toContain('guid 1001'), 20_000)
  expect(handed).toHaveLength(2)
  lease.isHeld = true
  clock.advance(60_000)
  await vi.waitFor(() => expect(new Set(handed.flat()).size).toBe(5), 20_000)
  await sweep.stop()
  await database.close()
})
