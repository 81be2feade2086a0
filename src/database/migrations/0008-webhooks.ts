/** Addresses that hear of what happened. */
import type { Kysely, Migration } from 'kysely'

export const webhooks: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('webhook')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('url', 'text', (column) => column.notNull())
      .addColumn('types', 'text', (column) => column.notNull())
      .addColumn('secret', 'blob', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('cursor', 'bigint', (column) => column.notNull())
      .addColumn('revision', 'integer', (column) => column.notNull())
      .addColumn('attempts', 'integer', (column) => column.notNull())
      .addColumn('failing_since', 'text')
      .addColumn('last_error', 'text')
      .addColumn('next_at', 'text', (column) => column.notNull())
      .addColumn('last_delivered_at', 'text')
      .addColumn('created_at', 'text', (column) => column.notNull())
      .execute()
    await schema.createIndex('webhook_party').on('webhook').columns(['party', 'id']).execute()
    await schema.createIndex('webhook_due').on('webhook').columns(['state', 'next_at']).execute()
  },
}
