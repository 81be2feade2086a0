/**
 * The database of a test: SQLite's, or one of its own on the PostgreSQL server that
 * FIRSTLIGHT_TEST_DATABASE_URL names (`npm run test:postgres`). What a test calls by a path, or by
 * the folder of a service, is there again under that name, for other processes as well.
 */
import { createHash, randomBytes } from 'node:crypto'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { type Database, openDatabase as open } from '../../src/database/open.ts'

const SERVER = process.env['FIRSTLIGHT_TEST_DATABASE_URL']
const IN_MEMORY = ':memory:'
const FILE = 'firstlight.sqlite'
/** Migrated once, and copied: see test/support/postgres.ts. */
export const TEMPLATE = 'firstlight_template'
/** A file of tests opens many at once, and each is used by one test. */
const CONNECTIONS = 4
const DUPLICATE_DATABASE = '42P04'

export const isOnPostgres = SERVER !== undefined

export type { Database } from '../../src/database/open.ts'

export async function openDatabase(path: string): Promise<Database> {
  if (!isOnPostgres) return open(path)
  const name = path === IN_MEMORY ? `test_${randomBytes(10).toString('hex')}` : nameOf(path)
  const database = counted(await open(await made(name), { connections: CONNECTIONS }))
  if (path !== IN_MEMORY) return database
  return {
    ...database,
    async close() {
      await database.close()
      await drop(name)
      kept.delete(name)
    },
  }
}

let underWay = 0

/** Whether a server has been asked something, and has not answered yet. */
export const isDatabaseBusy = () => underWay > 0

/** A commit that collides pauses between its attempts, and asks nothing meanwhile. */
function counted(database: Database): Database {
  const commit: Database['commit'] = (work, options) => {
    underWay++
    return database.commit(work, options).finally(() => underWay--)
  }
  return { ...database, commit }
}

if (isOnPostgres) countLent(pg.Pool.prototype)

function countLent(pool: pg.Pool): void {
  const connect = pool.connect as (this: pg.Pool) => Promise<pg.PoolClient>
  async function counting(this: pg.Pool): Promise<pg.PoolClient> {
    underWay++
    try {
      const client = await connect.call(this)
      const { release } = client
      client.release = (error) => {
        underWay--
        release.call(client, error)
      }
      return client
    } catch (error) {
      underWay--
      throw error
    }
  }
  pool.connect = counting as typeof pool.connect
}

/** The variables of a service, and on PostgreSQL the database that belongs to its folder. */
export async function withDatabase<V extends Readonly<Record<string, string | undefined>>>(
  variables: V,
): Promise<V & { readonly DATABASE_URL?: string }> {
  const folder = variables['FIRSTLIGHT_DATA']
  if (!isOnPostgres || folder === undefined) return variables
  const url = await made(nameOf(join(folder, FILE)))
  return {
    FIRSTLIGHT_DATABASE_POOL: String(CONNECTIONS),
    // Who is killed is the service, unless a test wants it otherwise.
    FIRSTLIGHT_PROCESSES: '1',
    ...variables,
    DATABASE_URL: url,
  }
}

/** That of this folder's services, without a table in it: only those that start can make them. */
export async function makeEmptyDatabase(folder: string): Promise<void> {
  const name = nameOf(join(folder, FILE))
  kept.add(name)
  await onServer(`create database ${name}`)
}

/** That of this folder's services, in a folder of the server's. */
export async function makeDatabaseOn(folder: string, location: string): Promise<void> {
  const name = nameOf(join(folder, FILE))
  kept.add(name)
  await onServer(`create tablespace ${name} location '${location}'`)
  await onServer(`create database ${name} template ${TEMPLATE} tablespace ${name}`)
}

/** Another connection to the database of this path. */
export function urlOf(name: string): string {
  const url = new URL(SERVER ?? '')
  url.pathname = `/${name}`
  return url.href
}

function nameOf(path: string): string {
  return `test_${createHash('sha256').update(resolve(path)).digest('hex').slice(0, 20)}`
}

/** Of this file of tests; `:memory:` is gone when it is closed. */
const kept = new Set<string>()

export async function dropKept(): Promise<void> {
  for (const name of kept) await drop(name)
  kept.clear()
}

async function made(name: string): Promise<string> {
  kept.add(name)
  try {
    await onServer(`create database ${name} template ${TEMPLATE}`)
  } catch (error) {
    if ((error as { code?: string }).code !== DUPLICATE_DATABASE) throw error
  }
  return urlOf(name)
}

async function drop(name: string): Promise<void> {
  await onServer(`drop database if exists ${name} with (force)`)
  await onServer(`drop tablespace if exists ${name}`)
}

export async function onServer(sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: SERVER })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
