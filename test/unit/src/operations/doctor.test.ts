/** What the doctor finds in the database: which rendezvous devices are told of. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { listRendezvousInfos } from '../../../../src/operations/doctor/store.ts'
import { type Database, openDatabase } from '../../../support/database.ts'

const NOW = '2026-11-26T00:00:00.000Z'

let database: Database
beforeEach(async () => {
  database = await openDatabase(':memory:')
})
afterEach(() => database.close())

const found = (limit = 50) => listRendezvousInfos(database.db, { now: NOW, limit })

async function set(party: string, name: string, value: string): Promise<void> {
  const row = { party, name, value, version: 1, updated_at: NOW }
  await database.commit((tx) => tx.insertInto('setting').values(row).execute())
}

async function order(
  name: string,
  rendezvous_info: string,
  { state = 'open' as 'draft' | 'open' | 'closed', expires_at = '2026-11-27T00:00:00.000Z' } = {},
): Promise<void> {
  const row = {
    ...{ id: name, name, state, expires_at, rendezvous_info, party: 'fdop_home', model: null },
    ...{ quantity: 1, made: 0, reserved: 0, share: null, source: null, first_owner: '{}' },
    ...{ stations: '', unique_serials: 0, label: '', device_cas: '', trial: null },
    ...{ created_at: NOW, opened_at: null, closed_at: null },
  }
  await database.commit((tx) => tx.insertInto('production_order').values(row).execute())
}

it('are those that some party has set, and those of orders that are open', async () => {
  await set('fdop_home', 'rendezvous-info', '["home"]')
  await set('fdop_a', 'rendezvous-info', '["a"]')
  await set('fdop_a', 'owner-addresses', '["elsewhere"]')
  await order('1', '["order"]')
  await order('2', '["order"]')
  await order('3', '["a"]')
  await order('draft', '["draft"]', { state: 'draft' })
  await order('closed', '["closed"]', { state: 'closed' })
  await order('expired', '["expired"]', { expires_at: NOW })
  expect(await found()).toEqual(['["a"]', '["home"]', '["order"]'])
  expect(await found(2)).toHaveLength(2)
})
