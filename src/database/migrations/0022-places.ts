/** How a rendezvous stands, where the process that is asked is not the one that registers. */
import type { Kysely, Migration } from 'kysely'

export const places: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('to0_place')
      .addColumn('origin', 'text', (column) => column.primaryKey().notNull())
      .addColumn('called_at', 'text')
      .addColumn('last_error', 'text')
      .execute()
  },
}
