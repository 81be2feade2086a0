/** Keys from before there was one in use of each kind. */
import SQLite from 'better-sqlite3'
import { Kysely, type Migration, SqliteDialect } from 'kysely'
import { expect, it } from 'vitest'
import { migrations } from '../../../../src/database/migrations/index.ts'

it('keeps the newest of those made twice in use, and touches no others', async () => {
  const db = new Kysely<any>({ dialect: new SqliteDialect({ database: new SQLite(':memory:') }) })
  const run = async (isWanted: (name: string) => boolean) => {
    for (const [name, { up }] of Object.entries<Migration>(migrations)) {
      if (isWanted(name)) await up(db)
    }
  }
  await run((name) => name < '0012')
  const [early, late] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z']
  const add = (id: string, created_at: string, more: object = {}) =>
    db
      .insertInto('private_key')
      .values({
        ...{ id, party: 'fdop_home', purpose: 'owner', kind: 'p256', fingerprint: id },
        ...{ origin: 'made', spki: Buffer.from(id), wrapped: Buffer.from(id), created_at },
        ...more,
      })
      .execute()
  await add('a', early)
  await add('c', late)
  await add('b', late)
  await add('imported', early, { origin: 'imported' })
  await add('other kind', early, { kind: 'p384' })
  await add('other party', early, { party: 'fdop_a' })
  await add('other purpose', early, { purpose: 'manufacturer' })
  await run((name) => name === '0012-key-rotation')
  const rows = await db.selectFrom('private_key').select(['id', 'retired_at']).execute()
  const retired = rows.filter(({ retired_at }) => retired_at !== null).map(({ id }) => id)
  expect(retired.toSorted()).toEqual(['a', 'b'])
  await expect(add('d', late, { retired_at: null })).rejects.toThrow('UNIQUE')
  await add('e', late, { retired_at: late })
  await db.destroy()
})
