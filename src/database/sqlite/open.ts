/** A database in a file of SQLite's, or in memory. */
import { closeSync, openSync } from 'node:fs'
import SQLite from 'better-sqlite3'
import { Kysely, type Migration, Migrator, SqliteDialect } from 'kysely'
import { accompanied } from '../alongside.ts'
import type { Database } from '../database.ts'
import { migrationFailed, refuseLater } from '../migration-refused.ts'
import { migrations } from '../migrations/index.ts'
import { openAlone } from './alone.ts'
import { Connection } from './connection.ts'
import { GroupCommit } from './group-commit.ts'
import { LogFile } from './log-file.ts'

interface SqliteOptions {
  /** Refuses where anybody else has the database open, and lets nobody in. */
  readonly alone?: boolean
  /** The migrations there are; others in tests. */
  readonly known?: Readonly<Record<string, Migration>>
}

/** `path` may be `:memory:`. The file is made, readable by its owner only, if there is none. */
export async function openSqlite(
  path: string,
  { alone = false, known = migrations }: SqliteOptions = {},
): Promise<Database> {
  const inMemory = path === ':memory:'
  if (!inMemory) closeSync(openSync(path, 'a', 0o600))
  const sqlite = alone ? openAlone(path) : new SQLite(path)
  for (const pragma of PRAGMAS) sqlite.pragma(pragma)
  await migrate(sqlite, known)

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

/** All that is missing, or nothing: who dies here has changed nothing, and others wait. */
async function migrate(
  sqlite: SQLite.Database,
  known: Readonly<Record<string, Migration>>,
): Promise<void> {
  const db = new Kysely({ dialect: new SqliteDialect({ database: sqlite }) })
  const provider = { getMigrations: async () => known }
  sqlite.pragma(`busy_timeout = ${MIGRATION_PATIENCE_MS}`)
  sqlite.exec('begin immediate')
  try {
    refuseLater(migrationsHad(sqlite), known)
    const { error, results = [] } = await new Migrator({ db, provider }).migrateToLatest()
    const last = results.find(({ status }) => status === 'Error')
    if (error) throw migrationFailed(last?.migrationName, error)
    sqlite.exec('commit')
  } catch (error) {
    if (sqlite.inTransaction) sqlite.exec('rollback')
    throw error
  }
  sqlite.pragma(`busy_timeout = ${BUSY_MS}`)
}

function migrationsHad(sqlite: SQLite.Database): readonly string[] {
  const table = sqlite.prepare(`select 1 from sqlite_schema where name = 'kysely_migration'`)
  if (!table.get()) return []
  return sqlite.prepare('select name from kysely_migration').pluck().all() as string[]
}
