/** All that a database holds, as rows that any kind of database can take. */
import type { Bytes } from '../../protocol/bytes.ts'
import { migrations } from './migrations/index.ts'
import type { Known } from './upgrade.ts'

export type Value = string | number | Bytes | null
/** Its values in the order of the table's columns. */
export type Row = readonly Value[]

export interface TableShape {
  readonly name: string
  readonly columns: readonly string[]
}

/** A database as of one moment, while others go on. */
export interface Snapshot {
  /** Those the database had had, by their names. */
  readonly migrations: readonly string[]
  /** One whose rows others point at comes before those. */
  readonly tables: readonly TableShape[]
  /** Some at a time, so that no more of them are held. */
  rowsOf(table: TableShape): AsyncIterable<readonly Row[]>
  close(): Promise<void>
}

export interface DatabaseDump {
  /** Which kind it is, as a back-up says. */
  readonly driver: string
  /** Those the database has had, by their names. */
  migrations(): Promise<readonly string[]>
  /** What programs must know to run on it: see upgrade.ts. */
  oldest(): Promise<string | undefined>
  /** What is wrong, in words, or undefined. Nothing is changed. */
  findFlaw(): Promise<string | undefined>
  /** Throws DumpDamaged where something is wrong. */
  snapshot(): Promise<Snapshot>
}

export interface Filling {
  /** As for openDatabase. */
  readonly place: string
  /** Where a file of SQLite's is made that gets its place at the end. */
  readonly draft: string
  readonly snapshot: Snapshot
}

/** Something is wrong in it: a copy is worth nothing. */
export class DumpDamaged extends Error {
  override readonly name = 'DumpDamaged'
}

/** Somebody has worked with it: what is there would be mixed with what comes. */
export class DatabaseNotEmpty extends Error {
  override readonly name = 'DatabaseNotEmpty'
}

/** What this version knows: a copy that has had others is of a later one. */
export const KNOWN_MIGRATIONS: readonly string[] = Object.keys(migrations)

/** Those that make the tables a snapshot has. */
export function migrationsOf(snapshot: Snapshot): Known {
  const had = Object.entries(migrations).filter(([name]) => snapshot.migrations.includes(name))
  return Object.fromEntries(had)
}

/**
 * Without what somebody else kept beside our tables. What migrations have put into those comes with
 * the rows, and is to be deleted before.
 */
export function oursOf({ tables }: Snapshot, there: readonly string[]): readonly TableShape[] {
  return tables.filter(({ name }) => there.includes(name))
}

/** Enough for a database to be busy with, and little to hold. */
export const BATCH_BYTES = 256 * 1024
const MOST_VALUES = 16_000

/** Roughly, as held here and sent anywhere. */
export function sizeOf(row: Row): number {
  let size = 0
  for (const value of row)
    size += typeof value === 'object' || typeof value === 'string' ? (value?.length ?? 0) + 8 : 8
  return size
}

/** The same rows, some at a time. */
export function* inBatches(rows: Iterable<Row>, { columns }: TableShape): Generator<Row[]> {
  const most = Math.floor(MOST_VALUES / columns.length)
  let batch: Row[] = []
  let bytes = 0
  for (const row of rows) {
    batch.push(row)
    bytes += sizeOf(row)
    if (bytes < BATCH_BYTES && batch.length < most) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

/** `parentsOf` gives the tables whose rows those of a table point at. */
export function parentsFirst(
  names: readonly string[],
  parentsOf: (name: string) => readonly string[],
): readonly string[] {
  const placed = new Set<string>()
  const place = (name: string): void => {
    if (placed.has(name)) return
    for (const parent of parentsOf(name)) if (parent !== name) place(parent)
    placed.add(name)
  }
  for (const name of names) place(name)
  return [...placed]
}
