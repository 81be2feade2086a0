/** Opens the database and brings its tables up to date. */
import type { Database } from './database.ts'
import { openSqlite } from './sqlite/open.ts'
import type { Known } from './upgrade.ts'

export type { CommitOptions, Database } from './database.ts'

export interface OpenOptions {
  /** Of PostgreSQL: how many connections at most. */
  readonly connections?: number | undefined
  /** Refuses where anybody else has the database open (DatabaseInUse), and lets nobody in. */
  readonly alone?: boolean
  /** The migrations there are; others in tests. */
  readonly known?: Known
}

/** `place` is the path of SQLite's file, or `:memory:`, or the URL of a PostgreSQL database. */
export async function openDatabase(place: string, options: OpenOptions = {}): Promise<Database> {
  if (!isPostgresUrl(place)) return openSqlite(place, options)
  const { openPostgres } = await import('./postgres/open.ts')
  return openPostgres(place, options)
}

export function isPostgresUrl(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place)
}
