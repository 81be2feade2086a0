/** A database in a file of SQLite's, read out while others read and write. */
import SQLite from 'better-sqlite3'
import {
  type DatabaseDump,
  DumpDamaged,
  type Row,
  type Snapshot,
  inBatches,
  parentsFirst,
} from '../rows.ts'
import { schemaOf } from './open.ts'

export function sqliteDump(path: string): DatabaseDump {
  return {
    driver: 'sqlite',
    migrations: () => using(path, migrationsIn),
    oldest: () => using(path, (sqlite) => schemaOf(sqlite).oldest),
    findFlaw() {
      return using(path, (sqlite) => {
        const found = sqlite.pragma('quick_check(1)', { simple: true })
        return found === 'ok' ? undefined : String(found)
      })
    },
    snapshot: () => explained(path, () => snapshotOf(path)),
  }
}

/** The reader's own transaction keeps the moment, however long it takes. */
async function snapshotOf(path: string): Promise<Snapshot> {
  const sqlite = new SQLite(path, { fileMustExist: true })
  try {
    sqlite.exec('begin')
    expectWhole(sqlite)
    const tables = tablesOf(sqlite)
    return {
      migrations: migrationsIn(sqlite),
      tables: tables.map((name) => ({ name, columns: columnsOf(sqlite, name) })),
      async *rowsOf(table) {
        const columns = table.columns.map((name) => `"${name}"`).join()
        const all = sqlite.prepare(`select ${columns} from "${table.name}"`).raw()
        yield* inBatches(all.iterate() as Iterable<Row>, table)
      },
      async close() {
        sqlite.close()
      },
    }
  } catch (error) {
    sqlite.close()
    throw error
  }
}

/** Looks at every page of it. */
export function expectWhole(sqlite: SQLite.Database): void {
  const flaws = sqlite.pragma('integrity_check', { simple: true })
  if (flaws !== 'ok') throw new DumpDamaged(`the database is damaged: ${String(flaws)}`)
  if ((sqlite.pragma('foreign_key_check') as unknown[]).length > 0) {
    throw new DumpDamaged('the database is damaged: rows name others that are not there')
  }
}

/** Those of the service; Kysely's own say which migrations it has had. */
export function tablesOf(sqlite: SQLite.Database): readonly string[] {
  const names = sqlite
    .prepare(
      `select name from sqlite_schema where type = 'table'
       and name not like 'sqlite\\_%' escape '\\' and name not like 'kysely\\_%' escape '\\' order by name`,
    )
    .pluck()
    .all() as string[]
  const parentsOf = sqlite.prepare('select distinct "table" from pragma_foreign_key_list(?)')
  return parentsFirst(names, (name) => parentsOf.pluck().all(name) as string[])
}

export function columnsOf(sqlite: SQLite.Database, table: string): readonly string[] {
  const columns = sqlite.prepare('select name from pragma_table_info(?)').pluck()
  return columns.all(table) as string[]
}

function migrationsIn(sqlite: SQLite.Database): readonly string[] {
  return sqlite.prepare('select name from kysely_migration order by name').pluck().all() as string[]
}

function using<T>(path: string, work: (sqlite: SQLite.Database) => T): Promise<T> {
  return explained(path, async () => {
    const sqlite = new SQLite(path, { fileMustExist: true })
    try {
      return work(sqlite)
    } finally {
      sqlite.close()
    }
  })
}

async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof SQLite.SqliteError)) throw cause
    throw new DumpDamaged(`the database ${path} cannot be read: ${cause.message}`, { cause })
  }
}
