/**
 * A database as one file, for back-ups, and back. Each kind of database has its own way; what is
 * dumped by one goes back into the same kind.
 */
import { constants, copyFileSync } from 'node:fs'
import SQLite from 'better-sqlite3'
import { migrations } from '../migrations/index.ts'
import type { Tables } from '../tables.ts'
import { schemaOf } from './open.ts'

export interface DatabaseDump {
  /** Which kind it is, as a back-up says. */
  readonly driver: string
  /** Those the database has had, by their names. */
  migrations(): Promise<readonly string[]>
  /** What programs must know to run on it: see upgrade.ts. */
  oldest(): Promise<string | undefined>
  /** Looks through all of it; what is wrong, in words, or undefined. Nothing is changed. */
  findFlaw(): Promise<string | undefined>
  /**
   * Writes a copy as of one moment, while others read and write, without the rows of the tables left
   * out and without what was deleted before. Gives the names of the migrations it has had.
   */
  dumpTo(file: string, leaveOut: readonly (keyof Tables)[]): Promise<readonly string[]>
  /** Makes the database out of such a file. There must be none yet. */
  restoreFrom(file: string): Promise<void>
}

/** A copy in which something is wrong: it is worth nothing. */
class DumpDamaged extends Error {
  override readonly name = 'DumpDamaged'
}

/** What this version knows: a copy that has had others is of a later one. */
export const KNOWN_MIGRATIONS: readonly string[] = Object.keys(migrations)

/** Copied at once; the reader's own transaction keeps the moment, however long it takes. */
const PAGES_AT_ONCE = 4_096

export function sqliteDump(path: string): DatabaseDump {
  return {
    driver: 'sqlite',
    async migrations() {
      return using(path, migrationsOf)
    },
    async oldest() {
      return using(path, (sqlite) => schemaOf(sqlite).oldest)
    },
    async findFlaw() {
      const found = await using(path, (one) => one.pragma('quick_check(1)', { simple: true }))
      return found === 'ok' ? undefined : String(found)
    },
    async dumpTo(file, leaveOut) {
      await copyOf(path, file)
      return cleanedOf(file, leaveOut)
    },
    async restoreFrom(file) {
      await inspect(file, () => {})
      copyFileSync(file, path, constants.COPYFILE_EXCL)
    },
  }
}

function copyOf(path: string, file: string): Promise<void> {
  return using(path, async (source) => {
    // Reading begins here: what others write from now on is not in the copy, and restarts nothing.
    source.exec('begin')
    source.prepare('select count(*) from sqlite_schema').get()
    await source.backup(file, { progress: () => PAGES_AT_ONCE })
    source.exec('rollback')
  })
}

function cleanedOf(file: string, leaveOut: readonly string[]): Promise<readonly string[]> {
  return inspect(file, (copy) => {
    for (const table of leaveOut) copy.exec(`delete from "${table}"`)
    // Written anew: no free page holds what was there.
    copy.exec('vacuum')
  })
}

/** Does what is to be done with a copy, then looks at every page of it. */
function inspect(file: string, work: (copy: SQLite.Database) => void): Promise<readonly string[]> {
  return using(file, async (copy) => {
    // One file, without a log beside it.
    copy.pragma('journal_mode = DELETE')
    copy.pragma('secure_delete = ON')
    work(copy)
    const flaws = copy.pragma('integrity_check', { simple: true })
    if (flaws !== 'ok') throw new DumpDamaged(`the database is damaged: ${String(flaws)}`)
    if ((copy.pragma('foreign_key_check') as unknown[]).length > 0) {
      throw new DumpDamaged('the database is damaged: rows name others that are not there')
    }
    return migrationsOf(copy)
  })
}

function migrationsOf(sqlite: SQLite.Database): readonly string[] {
  return sqlite.prepare('select name from kysely_migration order by name').pluck().all() as string[]
}

async function using<T>(
  file: string,
  work: (sqlite: SQLite.Database) => T | Promise<T>,
): Promise<T> {
  try {
    const sqlite = new SQLite(file, { fileMustExist: true })
    try {
      return await work(sqlite)
    } finally {
      sqlite.close()
    }
  } catch (cause) {
    if (!(cause instanceof SQLite.SqliteError)) throw cause
    throw new DumpDamaged(`the database ${file} cannot be read: ${cause.message}`, { cause })
  }
}
