/** Entries of the audit log that have no place in it yet: see audit/settle.ts. */
import type { Kysely, Migration } from 'kysely'

export const auditPending: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('audit_pending')
      .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('at', 'text', (column) => column.notNull())
      .addColumn('type', 'text', (column) => column.notNull())
      .addColumn('by', 'text', (column) => column.notNull())
      .addColumn('guid', 'text')
      .addColumn('device_id', 'text')
      .addColumn('subject_id', 'text')
      .addColumn('detail', 'text')
      .execute()
    await schema
      .createIndex('audit_pending_party')
      .on('audit_pending')
      .columns(['party', 'id'])
      .execute()
  },
}
