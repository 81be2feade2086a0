/** A change of the schema, and who can go on with what it leaves: see "To change the schema" in src/README.md. */
import type { Migration } from 'kysely'

export interface SchemaChange extends Migration {
  /** What a program must know to go on. Undefined: whoever could before can still. */
  readonly oldest: string | undefined
}

/** It adds, and takes nothing away: programs that do not know of it go on, and may be started again. */
export function expand(migration: Migration): SchemaChange {
  return { ...migration, oldest: undefined }
}

/** It takes away what programs used that do not know the migration of this name, its own or one before. */
export function contract(migration: Migration, oldest: string): SchemaChange {
  return { ...migration, oldest }
}
