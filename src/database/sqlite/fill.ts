/** A file of SQLite's made of the rows of another database. */
import { link, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import SQLite from 'better-sqlite3'
import type { Database } from '../database.ts'
import { codeOf } from '../portable.ts'
import {
  DatabaseNotEmpty,
  type Filling,
  type Snapshot,
  type TableShape,
  migrationsOf,
  oursOf,
} from '../rows.ts'
import { expectWhole, tablesOf } from './dump.ts'
import { openSqlite } from './open.ts'

/** See fillDatabase. */
export async function fillSqlite<T>(
  { place, draft, snapshot }: Filling,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  await (await openSqlite(draft, { known: migrationsOf(snapshot) })).close()
  await load(draft, snapshot)
  const database = await openSqlite(draft)
  let value: T
  try {
    value = await work(database)
  } finally {
    await database.close()
  }
  await settle(draft, place)
  return value
}

/** Where somebody has begun to work meanwhile, theirs stays. */
async function settle(draft: string, place: string): Promise<void> {
  await toDisk(draft)
  try {
    await link(draft, place)
  } catch (cause) {
    if (codeOf(cause) !== 'EEXIST') throw cause
    throw new DatabaseNotEmpty(`${place} is there already`, { cause })
  }
  await rm(draft)
  await toDisk(dirname(place))
}

async function toDisk(path: string): Promise<void> {
  const file = await open(path)
  await file.sync()
  await file.close()
}

/** Nobody else sees it, and where this is broken off it is made anew. */
const PRAGMAS = ['journal_mode = OFF', 'synchronous = OFF', 'cache_size = -65536']

async function load(file: string, snapshot: Snapshot): Promise<void> {
  const sqlite = new SQLite(file)
  try {
    for (const pragma of PRAGMAS) sqlite.pragma(pragma)
    sqlite.exec('begin')
    const tables = oursOf(snapshot, tablesOf(sqlite))
    for (const { name } of tables.toReversed()) sqlite.exec(`delete from "${name}"`)
    for (const table of tables) {
      const insert = sqlite.prepare(insertInto(table))
      for await (const rows of snapshot.rowsOf(table)) for (const row of rows) insert.run(...row)
    }
    sqlite.exec('commit')
    expectWhole(sqlite)
  } finally {
    sqlite.close()
  }
}

function insertInto({ name, columns }: TableShape): string {
  const names = columns.map((column) => `"${column}"`).join()
  return `insert into "${name}" (${names}) values (${columns.map(() => '?').join()})`
}
