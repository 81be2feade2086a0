/** What a program must know to run on this database, for those that do not know all it has had. */
import type { Kysely, Migration } from 'kysely'

export const schemaFloor: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('schema_floor')
      .addColumn('oldest', 'text', (column) => column.primaryKey().notNull())
      .execute()
  },
}
