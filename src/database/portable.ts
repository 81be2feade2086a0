/** The few places where databases differ. */
import { type Kysely, PostgresAdapter, sql } from 'kysely'

const CONFLICTS = ['SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_UNIQUE', '23505']

/** A row that must be the only one of its kind is there already. */
export function isConflict(error: unknown): boolean {
  return CONFLICTS.includes(codeOf(error) ?? '')
}

export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether a migration runs on PostgreSQL. */
function isPostgres(db: Kysely<unknown>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}

/** What was to be written found no room on the disk: nothing of it is there. */
export function isOutOfSpace(error: unknown): boolean {
  return FULL.includes(codeOf(error) ?? '')
}

const FULL = ['SQLITE_FULL', '53100']

/** From now on rows come to this table and stay as they are, whatever statement wants otherwise. */
export async function makeAppendOnly(db: Kysely<unknown>, table: string): Promise<void> {
  if (isPostgres(db)) return refuseChanges(db, table)
  for (const change of ['update', 'delete']) {
    const trigger = sql.raw(`${table}_no_${change}`)
    const refusal = sql.lit(`${table} is append-only`)
    await sql`
      create trigger ${trigger} before ${sql.raw(change)} on ${sql.table(table)}
      begin select raise(abort, ${refusal}); end
    `.execute(db)
  }
}

async function refuseChanges(db: Kysely<unknown>, table: string): Promise<void> {
  await sql`
    create or replace function refuse_change() returns trigger language plpgsql as $$
    begin raise exception '% is append-only', tg_table_name; end $$
  `.execute(db)
  for (const change of ['update', 'delete', 'truncate']) {
    await sql`
      create trigger ${sql.raw(`${table}_no_${change}`)} before ${sql.raw(change)}
      on ${sql.table(table)} for each statement execute function refuse_change()
    `.execute(db)
  }
}
