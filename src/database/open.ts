/** Opens the database and brings its tables up to date. */
import type { Database } from './database.ts'
import { openSqlite } from './sqlite/open.ts'

export type { CommitOptions, Database } from './database.ts'

/** `place` is the path of SQLite's file, or `:memory:`, or the URL of a PostgreSQL database. */
export async function openDatabase(
  place: string,
  options: DatabaseOptions = {},
): Promise<Database> {
  if (!isPostgresUrl(place)) return openSqlite(place)
  const { openPostgres } = await import('./postgres/open.ts')
  return openPostgres(place, options)
}

export interface DatabaseOptions {
  /** Of PostgreSQL: how many connections at most. */
  readonly connections?: number | undefined
}

function isPostgresUrl(place: string): boolean {
  return /^postgres(ql)?:\/\//.test(place)
}
