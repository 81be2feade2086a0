/** A database in a file of SQLite's, or in memory. */
import { closeSync, openSync } from 'node:fs'
import SQLite from 'better-sqlite3'
import { Kysely, Migrator, SqliteDialect } from 'kysely'
import { accompanied } from '../alongside.ts'
import type { Database } from '../database.ts'
import { DatabaseInUse } from '../in-use.ts'
import { migrations } from '../migrations/index.ts'
import {
  type Known,
  type SchemaState,
  migrationFailed,
  noteOldest,
  oldestAfter,
  refuseOver,
  upgradeOf,
} from '../upgrade.ts'
import { openAlone } from './alone.ts'
import { Connection } from './connection.ts'
import { GroupCommit } from './group-commit.ts'
import { LogFile } from './log-file.ts'

interface SqliteOptions {
  /** Refuses where anybody else has the database open, and lets nobody in. */
  readonly alone?: boolean
  /** The migrations there are; others in tests. */
  readonly known?: Known
}

/** `path` may be `:memory:`. The file is made, readable by its owner only, if there is none. */
export async function openSqlite(
  path: string,
  { alone = false, known = migrations }: SqliteOptions = {},
): Promise<Database> {
  const inMemory = path === ':memory:'
  if (!inMemory) closeSync(openSync(path, 'a', 0o600))
  if (!alone && !inMemory) await contractAlone(path, known)
  const sqlite = await upToDate(alone ? openAlone(path) : new SQLite(path), known)

  const connection = new Connection(sqlite)
  const log = inMemory ? undefined : new LogFile(`${path}-wal`)
  const group = new GroupCommit(connection, () => log?.sync() ?? Promise.resolve())
  return {
    db: connection.outside,
    commit: (work, options) => group.commit(accompanied(work), options),
    changesOf: (table) => connection.changesOf(table),
    async isAlive() {
      try {
        await connection.outside.selectFrom('setting').select('name').limit(1).execute()
        return true
      } catch {
        // Whatever it is, there is no working with it now.
        return false
      }
    },
    waiting: () => 0,
    async emptyLog() {
      await connection.quiet()
      sqlite.pragma('wal_checkpoint(TRUNCATE)')
    },
    async close() {
      await group.idle()
      log?.close()
      sqlite.close()
    },
  }
}

const PRAGMAS = [
  'journal_mode = WAL',
  // The log reaches the disk at checkpoints, and when LogFile says so.
  'synchronous = NORMAL',
  'foreign_keys = ON',
  'secure_delete = ON',
  // What `replace into` removes is deleted as far as triggers are concerned.
  'recursive_triggers = ON',
  // Sessions change the same few pages again and again: let them do so before they are moved.
  'wal_autocheckpoint = 4000',
  // KiB. Devices come in no order: with the usual 2 MiB their pages are read again and again.
  'cache_size = -8192',
  // Savepoints keep what they may have to take back.
  'temp_store = MEMORY',
]

const MIGRATION_PATIENCE_MS = 30_000
/** Longer waits are the event loop's: see GroupCommit. */
const BUSY_MS = 20

async function upToDate(sqlite: SQLite.Database, known: Known): Promise<SQLite.Database> {
  try {
    for (const pragma of PRAGMAS) sqlite.pragma(pragma)
    await migrate(sqlite, known)
    return sqlite
  } catch (error) {
    sqlite.close()
    throw error
  }
}

/**
 * What programs still use is not taken away while another has the database open: of which version
 * that is, it does not say.
 */
async function contractAlone(path: string, known: Known): Promise<void> {
  const state = schemaIn(path)
  const { missing } = upgradeOf(state, known)
  const oldest = oldestAfter(missing, known)
  if (state.had.length === 0 || oldest === undefined) return
  const sqlite = await upToDate(alone(path, oldest), known)
  sqlite.close()
}

function alone(path: string, oldest: string): SQLite.Database {
  try {
    return openAlone(path)
  } catch (error) {
    if (!(error instanceof DatabaseInUse)) throw error
    throw refuseOver('whoever has the database open', oldest)
  }
}

/** All that is missing, or nothing: who dies here has changed nothing, and others wait. */
async function migrate(sqlite: SQLite.Database, known: Known): Promise<void> {
  const db = new Kysely({ dialect: new SqliteDialect({ database: sqlite }) })
  const provider = { getMigrations: async () => known }
  sqlite.pragma(`busy_timeout = ${MIGRATION_PATIENCE_MS}`)
  sqlite.exec('begin immediate')
  try {
    const { missing } = upgradeOf(schemaOf(sqlite), known)
    if (missing.length > 0) {
      const { error, results = [] } = await new Migrator({ db, provider }).migrateToLatest()
      const last = results.find(({ status }) => status === 'Error')
      if (error) throw migrationFailed(last?.migrationName, error)
      await noteOldest(db, known)
    }
    sqlite.exec('commit')
  } catch (error) {
    if (sqlite.inTransaction) sqlite.exec('rollback')
    throw error
  }
  sqlite.pragma(`busy_timeout = ${BUSY_MS}`)
}

function schemaIn(path: string): SchemaState {
  const sqlite = new SQLite(path, { timeout: MIGRATION_PATIENCE_MS })
  try {
    return schemaOf(sqlite)
  } finally {
    sqlite.close()
  }
}

export function schemaOf(sqlite: SQLite.Database): SchemaState {
  const isThere = sqlite.prepare('select 1 from sqlite_schema where name = ?')
  const texts = (table: string, column: string) =>
    isThere.get(table)
      ? (sqlite.prepare(`select ${column} from ${table} order by 1`).pluck().all() as string[])
      : []
  return { had: texts('kysely_migration', 'name'), oldest: texts('schema_floor', 'oldest').at(-1) }
}
