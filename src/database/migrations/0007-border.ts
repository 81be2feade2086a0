/** Requests that must not be carried out twice: see IdempotencyTable. */
import type { Kysely, Migration } from 'kysely'

export const border: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('idempotency')
      .addColumn('principal', 'text', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('request_hash', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('runner', 'text', (column) => column.notNull())
      .addColumn('lease_until', 'text', (column) => column.notNull())
      .addColumn('status', 'integer')
      .addColumn('content_type', 'text')
      .addColumn('answer', 'blob')
      .addColumn('expires_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('idempotency_pk', ['principal', 'key'])
      .execute()
    await schema
      .createIndex('idempotency_expires_at')
      .on('idempotency')
      .column('expires_at')
      .execute()
  },
}
