/** Registrations made before there was a memory of them. */
import { createHash } from 'node:crypto'
import SQLite from 'better-sqlite3'
import { Kysely, type Migration, SqliteDialect } from 'kysely'
import { expect, it } from 'vitest'
import { migrations } from '../../../../src/database/migrations/index.ts'

const bytes = (length: number, fill: number) => Buffer.alloc(length, fill)

it('keeps what is registered, and makes of its sales the memory', async () => {
  const sqlite = new SQLite(':memory:')
  const db = new Kysely<any>({ dialect: new SqliteDialect({ database: sqlite }) })
  const run = async (isWanted: (name: string) => boolean) => {
    for (const [name, { up }] of Object.entries<Migration>(migrations)) {
      if (isWanted(name)) await up(db)
    }
  }
  await run((name) => name < '0006')
  const guids = Array.from({ length: 1_500 }, (_, i) => i.toString(16).padStart(32, '0'))
  for (const [i, guid] of guids.entries()) {
    const row = {
      guid,
      to1d: bytes(200, 1),
      device_key: bytes(91, 2),
      owner_key: bytes(91, i),
      entry_hashes: Buffer.concat([bytes(32, 3), bytes(32, i)]),
      run_order: i,
      registered_at: '2026-01-02T03:04:05.000Z',
      expires_at: '2026-02-02T03:04:05.000Z',
    }
    await db.insertInto('registration').values(row).execute()
  }
  await run((name) => name >= '0006')
  const rows = await db.selectFrom('registration').selectAll().orderBy('guid').execute()
  expect(rows.map(({ guid }) => guid)).toEqual(guids)
  expect(rows[7]).toEqual({
    guid: guids[7],
    to1d: bytes(200, 1),
    device_key: bytes(91, 2),
    owner_key: createHash('sha256').update(bytes(91, 7)).digest(),
    entries: 2,
    last_entry_hash: bytes(32, 7),
    run_order: 7,
    withdrawal: null,
    registered_at: '2026-01-02T03:04:05.000Z',
    expires_at: '2026-02-02T03:04:05.000Z',
  })
  await db.destroy()
})
