/** Opens the database and brings its tables up to date. */
import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import SQLite from 'better-sqlite3'
import { Kysely, type Migration, Migrator, SqliteDialect } from 'kysely'
import { accompanied } from './alongside.ts'
import { Connection, type Executor } from './connection.ts'
import { openAlone } from './alone.ts'
import { migrations } from './migrations/index.ts'
import type { Tables } from './tables.ts'
import { type CommitOptions, GroupCommit } from './transaction.ts'

export interface Database {
  /** For reading, and for writing single statements that need no transaction. */
  readonly db: Executor
  /** Runs `work` in a transaction shared with others'; resolves once that has been committed. */
  commit<T>(work: (tx: Executor) => Promise<T>, options?: CommitOptions): Promise<T>
  /**
   * Moves on with every write to the table, of this process or another: what was read before is as
   * good as read now while this number stays. Taken before reading, compared later.
   */
  changesOf(table: keyof Tables): number
  /** Whether it answers. */
  isAlive(): Promise<boolean>
  /** Moves the log into the database and empties it, so that nothing deleted lingers there. */
  emptyLog(): Promise<void>
  /** Waits for commits under way. */
  close(): Promise<void>
}

export interface OpenOptions {
  /** Refuses where anybody else has the database open, and lets nobody in. */
  readonly alone?: boolean
  /** The migrations there are; others in tests. */
  readonly known?: Readonly<Record<string, Migration>>
}

/** `path` may be `:memory:`. The file is made, readable by its owner only, if there is none. */
export async function openDatabase(
  path: string,
  { alone = false, known = migrations }: OpenOptions = {},
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
    async emptyLog() {
      await connection.waitFor(connection.outside)
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

/** This version and the database do not go together; nothing was changed. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused'
}

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
    const migrator = new Migrator({ db, provider })
    refuseLater(sqlite, known)
    const { error, results = [] } = await migrator.migrateToLatest()
    if (error) throw failed(results.find(({ status }) => status === 'Error')?.migrationName, error)
    sqlite.exec('commit')
  } catch (error) {
    if (sqlite.inTransaction) sqlite.exec('rollback')
    throw error
  }
  sqlite.pragma(`busy_timeout = ${BUSY_MS}`)
}

function refuseLater(sqlite: SQLite.Database, known: object): void {
  const tables = sqlite.prepare(`select 1 from sqlite_schema where name = 'kysely_migration'`)
  if (!tables.get()) return
  const had = sqlite.prepare('select name from kysely_migration').pluck().all() as string[]
  const later = had.find((name) => !Object.hasOwn(known, name))
  if (later === undefined) return
  throw new MigrationRefused(
    `the database was upgraded by a later version (${later}): run that one, or restore a back-up`,
  )
}

function failed(migration: string | undefined, cause: unknown): MigrationRefused {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MigrationRefused(
    `migration ${migration ?? ''} failed, and nothing was changed: ${reason}; the version before goes on`,
    { cause },
  )
}

const toDisk = promisify(fdatasync)

/**
 * Brings SQLite's write-ahead log to the disk from the thread pool. A commit under
 * `synchronous = FULL` would do the same while the event loop stands still; here one call serves
 * every commit that waits.
 */
class LogFile {
  readonly #fd: number
  #underWay: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** SQLite takes its locks on other files, so that closing this one releases none of them. */
  constructor(path: string) {
    this.#fd = openSync(path, 'r+')
  }

  sync(): Promise<void> {
    if (!this.#underWay) return this.#start()
    this.#next ??= this.#underWay.catch(() => {}).then(() => this.#start())
    return this.#next
  }

  close(): void {
    closeSync(this.#fd)
  }

  #start(): Promise<void> {
    this.#next = undefined
    const underWay = toDisk(this.#fd).finally(() => {
      if (this.#underWay === underWay) this.#underWay = undefined
    })
    this.#underWay = underWay
    return underWay
  }
}
