/** Who runs on a PostgreSQL database, and what becomes of one that an upgrade has passed by. */
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { contract, expand } from '../../../../src/database/migrations/change.ts'
import { migrations } from '../../../../src/database/migrations/index.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import { newestKnown } from '../../../../src/database/postgres/known-here.ts'
import { DatabaseUnavailable } from '../../../../src/database/unavailable.ts'
import { numberOf } from '../../../../src/database/upgrade.ts'
import { isOnPostgres, withDatabase } from '../../../support/database.ts'

const NEWEST = Math.max(...Object.keys(migrations).map(numberOf))
const FOLDER = `/known-here-test/${process.pid}`
const nothing = { up: async () => {} }

let url: string
let client: pg.Client
let database: Database
beforeEach(async () => {
  if (!isOnPostgres) return
  url = (await withDatabase({ FIRSTLIGHT_DATA: FOLDER })).DATABASE_URL ?? ''
  client = new pg.Client({ connectionString: url })
  await client.connect()
  database = await openDatabase(url)
})
afterEach(async () => {
  if (!isOnPostgres) return
  await database.close()
  await client.query(`delete from kysely_migration where name >= '9'`)
  await client.query('delete from schema_floor')
  await client.end()
})

const inTime = (isSo: () => Promise<void>) => vi.waitFor(isSo, { timeout: 10_000, interval: 20 })

describe.runIf(isOnPostgres)('those who have a database open', () => {
  it('are known by what they know, until they close it', async () => {
    const known = { ...migrations, '9001-more': expand(nothing) }
    const later = await openDatabase(url, { known })
    expect(await newestKnown(client)).toEqual([NEWEST, 9001])
    await later.close()
    expect(await newestKnown(client)).toEqual([NEWEST])
  })

  it('are told from those of another installation, in a schema of its own', async () => {
    await client.query('create schema neighbour')
    const neighbour = new URL(url)
    neighbour.searchParams.set('options', '-c search_path=neighbour')
    const other = await openDatabase(neighbour.href)
    expect(await newestKnown(client)).toEqual([NEWEST])
    await other.close()
    await client.query('drop schema neighbour cascade')
  })

  it('stand in the way of what takes away what they use, and of nothing else', async () => {
    const known = { ...migrations, '9001-more': expand(nothing) }
    const later = await openDatabase(url, { known })
    const less = { ...known, '9002-less': contract(nothing, '9001-more') }
    await expect(openDatabase(url, { known: less })).rejects.toThrow(
      'a version that knows 9001-more',
    )
    await database.close()
    const least = await openDatabase(url, { known: less })
    await least.close()
    await later.close()
    database = await openDatabase(url, { known })
  })
})

describe.runIf(isOnPostgres)('a process that an upgrade has passed by', () => {
  it('does nothing more, and says why; and goes on where that was taken back', async () => {
    // As if it had been cut off while others upgraded.
    await client.query(`insert into kysely_migration values ('9003-less', '')`)
    await client.query(`insert into schema_floor values ('9003-less')`)
    await cutOff()
    await inTime(async () => expect(await database.isAlive()).toBe(false))
    const work = database.commit(async () => {})
    await expect(work).rejects.toThrow(DatabaseUnavailable)
    await expect(work).rejects.toThrow('upgraded by a later version (9003-less')
    await client.query(`delete from kysely_migration where name = '9003-less'`)
    await cutOff()
    await inTime(async () => expect(await database.isAlive()).toBe(true))
  })
})

async function cutOff(): Promise<void> {
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  )
}
