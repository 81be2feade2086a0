/** Databases of either kind read out and filled: back-ups are made of that. */
import type { Database } from './database.ts'
import { isPostgresUrl } from './open.ts'
import type { DatabaseDump, Filling } from './rows.ts'
import { sqliteDump } from './sqlite/dump.ts'

/** `place` as for openDatabase. */
export async function dumpOf(place: string): Promise<DatabaseDump> {
  if (!isPostgresUrl(place)) return sqliteDump(place)
  const { postgresDump } = await import('./postgres/dump.ts')
  return postgresDump(place)
}

/**
 * Makes the tables of an empty database, with those rows and up to date, and lets `work` go on there.
 * When this resolves all of it is there for others, and nothing of it where it fails. Throws
 * DatabaseNotEmpty.
 */
export async function fillDatabase<T>(
  filling: Filling,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  if (!isPostgresUrl(filling.place)) {
    const { fillSqlite } = await import('./sqlite/fill.ts')
    return fillSqlite(filling, work)
  }
  const { fillPostgres } = await import('./postgres/fill.ts')
  return fillPostgres(filling.place, filling.snapshot, work)
}
