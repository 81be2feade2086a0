/** What becomes of a database that a program meets: upgraded, used as it is, or left alone. */
import type { Kysely } from 'kysely'
import type { SchemaChange } from './migrations/change.ts'

/** This version and the database do not go together; nothing was changed. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused'
}

export type Known = Readonly<Record<string, SchemaChange>>

/** A database's schema, as it stands. */
export interface SchemaState {
  /** The migrations it has had. */
  readonly had: readonly string[]
  /** Where the migration of this name is unknown, there is no running on it. */
  readonly oldest: string | undefined
}

export interface Upgrade {
  /** The migrations that are to be run, in order. */
  readonly missing: readonly string[]
  /** A later version has been here, and left it fit for this one: nothing about it is ours to change. */
  readonly isLater: boolean
}

/** Throws where this program cannot run on what is there. */
export function upgradeOf({ had, oldest }: SchemaState, known: Known): Upgrade {
  const missing = Object.keys(known)
    .filter((name) => !had.includes(name))
    .toSorted()
  const later = had.filter((name) => !Object.hasOwn(known, name)).toSorted()
  if (later.length === 0) return { missing, isLater: false }
  const isBorne = oldest === undefined || Object.hasOwn(known, oldest)
  if (missing.length === 0 && isBorne) return { missing, isLater: true }
  const what = isBorne ? later.at(-1) : `${later.at(-1)}, which takes ${oldest} to run on`
  throw new MigrationRefused(
    `the database was upgraded by a later version (${what}): run that one, or restore a back-up`,
  )
}

/** Undefined where all that is missing leaves what every program can go on with. */
export function oldestAfter(missing: readonly string[], known: Known): string | undefined {
  return missing
    .map((name) => known[name]?.oldest)
    .filter((name) => name !== undefined)
    .toSorted()
    .at(-1)
}

/** Where it has a place to be noted. */
const SINCE = '0025-schema-floor'

/** To be called when everything is done, in the transaction that does it. */
export async function noteOldest(db: Kysely<any>, known: Known): Promise<void> {
  if (!Object.hasOwn(known, SINCE)) return
  const oldest = oldestAfter(Object.keys(known), known)
  await db.deleteFrom('schema_floor').execute()
  if (oldest !== undefined) await db.insertInto('schema_floor').values({ oldest }).execute()
}

/** Which of two is later: they are known in their order. */
export function numberOf(migration: string): number {
  return parseInt(migration, 10)
}

/** Of programs that are running: what they use must not be taken away. */
export function refuseOver(running: string, oldest: string): MigrationRefused {
  return new MigrationRefused(
    `this version takes away what ${running} still uses, and nothing was changed: stop that, ` +
      `or upgrade it first to a version that knows ${oldest}`,
  )
}

export function migrationFailed(migration: string | undefined, cause: unknown): MigrationRefused {
  const reason = cause instanceof Error ? cause.message : String(cause)
  const what = migration === undefined ? 'making tables' : `migration ${migration}`
  return new MigrationRefused(
    `${what} failed, and nothing was changed: ${reason}; the version before goes on`,
    { cause },
  )
}
