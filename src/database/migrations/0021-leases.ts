/** Work that one of several processes does: see leases/leases.ts. */
import type { Kysely, Migration } from 'kysely'

export const leases: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('lease')
      .addColumn('name', 'text', (column) => column.primaryKey().notNull())
      .addColumn('holder', 'text', (column) => column.notNull())
      .addColumn('until', 'text', (column) => column.notNull())
      .execute()
  },
}
