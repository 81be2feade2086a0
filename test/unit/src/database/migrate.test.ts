/** A database of the first release, opened by this one. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import { Kysely, Migrator, SqliteDialect } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { migrations } from '../../../../src/database/migrations/index.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { listParties, listStaleAddresses } from '../../../../src/onboarding/register/store.ts'

const AT = '2026-01-02T03:04:05.000Z'
const GUID = 'a1'.repeat(16)
const DIGEST = 'd1'.repeat(32)
const bytes = Buffer.from('bytes')
const stamps = { created_at: AT, updated_at: AT }

/** A row of every table there was; of what others point at, first. */
const ROWS: readonly (readonly [table: string, row: Readonly<Record<string, unknown>>])[] = [
  [
    'session',
    {
      ...{ run_id_hash: 'r', role: 1, state: bytes, version: 2, request_hash: bytes, reply: bytes },
      ...{ reply_type: 3, started_at: AT, ended_at: null, expires_at: AT },
    },
  ],
  ['sealing_key', { id: 1, wrapped: bytes, created_at: AT }],
  [
    'voucher',
    {
      ...{ guid: GUID, device_id: 'fdod_a', device_info: 'm', owner_key: 'k', state: 'held' },
      ...{ origin: 'imported', entries: 1, revision: 4, superseded_by: null, exported_at: null },
      ...{ ...stamps, cbor: bytes },
    },
  ],
  ['device_group', { name: 'g', scopes: 's', ...stamps }],
  [
    'device',
    {
      ...{ id: 'fdod_a', guid: GUID, serial: 'S', model: 'm', group_name: 'g', state: 'waiting' },
      ...{ last_error: null, ...stamps, onboarded_at: null },
    },
  ],
  [
    'device_event',
    { seq: 1, device_id: 'fdod_a', at: AT, type: 't', state: 'waiting', detail: null },
  ],
  [
    'registration',
    {
      ...{ guid: GUID, to1d: bytes, device_key: bytes, owner_key: bytes, run_order: 1 },
      ...{ entry_hashes: Buffer.alloc(32), registered_at: AT, expires_at: AT },
    },
  ],
  [
    'to0_job',
    {
      ...{ guid: GUID, directive: 0, origin: 'o', state: 'registered', attempts: 0, next_at: AT },
      ...{ last_error: null, expires_at: AT, addresses: DIGEST },
    },
  ],
  [
    'to0_job',
    {
      ...{ guid: GUID, directive: 1, origin: 'o', state: 'waiting', attempts: 0, next_at: AT },
      ...{ last_error: null, expires_at: null, addresses: null },
    },
  ],
  ['plan', { name: 'default', version: 1, document: '{}', ...stamps }],
  [
    'upload',
    {
      ...{ id: 1, device_id: 'fdod_a', run_id: 'r', name: 'n', length: 5, is_kept: 1 },
      created_at: AT,
    },
  ],
  [
    'certificate',
    {
      ...{ serial: '7f', profile: 'ldevid', device_id: 'fdod_a', run_id: 'r', status: 'active' },
      ...{ spki_hash: 'h', not_before: AT, not_after: AT, der: bytes },
      ...{ created_at: AT, status_at: AT },
    },
  ],
  [
    'private_key',
    {
      ...{ id: 'k', purpose: 'owner', kind: 'p256', fingerprint: 'f', origin: 'made' },
      ...{ spki: bytes, wrapped: bytes, created_at: AT },
    },
  ],
  [
    'api_token',
    {
      ...{ id: 't', name: 'n', hash: 'h', scopes: 'admin', created_at: AT, expires_at: null },
      revoked_at: null,
    },
  ],
  ['setting', { name: 'n', value: 'v', version: 3, updated_at: AT }],
]
const TABLES = [...new Set(ROWS.map(([table]) => table))]
/** What became another thing altogether: see rendezvous-migration.test.ts. */
const MADE_ANEW = new Set(['entry_hashes', 'owner_key', 'addresses'])

let folder: string
let database: Database
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-migrate-'))
  const path = join(folder, 'test.sqlite')
  await makeFirstRelease(path)
  database = await openDatabase(path)
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})

async function makeFirstRelease(path: string): Promise<void> {
  const db = new Kysely<any>({ dialect: new SqliteDialect({ database: new SQLite(path) }) })
  const released = Object.entries(migrations).filter(([name]) => name < '0003')
  const provider = { getMigrations: async () => Object.fromEntries(released) }
  const { error } = await new Migrator({ db, provider }).migrateToLatest()
  expect(error).toBeUndefined()
  const tables = (await db.introspection.getTables()).map(({ name }) => name)
  expect(TABLES.toSorted()).toEqual(tables.toSorted())
  for (const [table, row] of ROWS) await db.insertInto(table).values(row).execute()
  await db.destroy()
}

const rowsOf = (table: string) =>
  (database.db as Kysely<any>).selectFrom(table).selectAll().execute()

it('loses nothing of what was there, and it is the installation’s own', async () => {
  for (const table of TABLES) {
    const before = ROWS.filter(([name]) => name === table).map(([, row]) => row)
    const after = await rowsOf(table)
    expect(after).toHaveLength(before.length)
    for (const [i, row] of before.entries()) {
      const kept = Object.entries(row).filter(([column]) => !MADE_ANEW.has(column))
      expect(after[i], table).toMatchObject(Object.fromEntries(kept))
      if ('party' in after[i]!) expect(after[i]!.party, table).toBe(HOME_PARTY)
    }
  }
})

it('leaves the rows pointing at each other', async () => {
  await database.db.deleteFrom('voucher').execute()
  expect(await rowsOf('to0_job')).toEqual([])
  await expect(database.db.deleteFrom('device_group').execute()).rejects.toThrow('FOREIGN KEY')
})

it('knows whose addresses its registrations were made with, so that they are made anew', async () => {
  const { db } = database
  expect(await listParties(db)).toEqual([HOME_PARTY])
  const now = `${HOME_PARTY}:${'d2'.repeat(32)}`
  expect(await listStaleAddresses(db, HOME_PARTY, now)).toEqual([`${HOME_PARTY}:${DIGEST}`])
  const addresses = (await rowsOf('to0_job')).map((row) => row.addresses)
  expect(addresses).toEqual([`${HOME_PARTY}:${DIGEST}`, null])
})
