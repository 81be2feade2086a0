/** The few places where databases differ. */
import { type Kysely, sql } from 'kysely'

const CONFLICTS = ['SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_UNIQUE']

/** A row that must be the only one of its kind is there already. */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.includes(codeOf(error) ?? '')
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

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
