/** The few places where databases differ. */
import { type Kysely, sql } from 'kysely'

/** Another process holds the lock: nothing has happened, try again. */
export function isBusy(error: unknown): boolean {
  return hasCode(error) && error.code.startsWith('SQLITE_BUSY')
}

/** A row that must be the only one of its kind is there already. */
export function isConflict(error: unknown): boolean {
  return (
    hasCode(error) &&
    (error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || error.code === 'SQLITE_CONSTRAINT_UNIQUE')
  )
}

/** What was to be written found no room on the disk: nothing of it is there. */
export function isOutOfSpace(error: unknown): boolean {
  return hasCode(error) && (error.code === 'SQLITE_FULL' || error.code === DISK_FULL)
}

/** PostgreSQL's. */
const DISK_FULL = '53100'

/** From now on rows come to this table and stay as they are, whatever statement wants otherwise. */
export async function makeAppendOnly(db: Kysely<unknown>, table: string): Promise<void> {
  for (const change of ['update', 'delete']) {
    const trigger = sql.raw(`${table}_no_${change}`)
    const refusal = sql.lit(`${table} is append-only`)
    await sql`
      create trigger ${trigger} before ${sql.raw(change)} on ${sql.table(table)}
      begin select raise(abort, ${refusal}); end
    `.execute(db)
  }
}

function hasCode(error: unknown): error is { code: string } {
  return (
    typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
  )
}
