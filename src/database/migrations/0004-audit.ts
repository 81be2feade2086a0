/** What happened, chained for each party, and who outside has seen how far it went. */
import { type Kysely, type Migration, type SchemaModule, sql } from 'kysely'
import { makeAppendOnly } from '../portable.ts'

type Schema = SchemaModule

export const audit: Migration = {
  async up(db: Kysely<unknown>) {
    await entries(db.schema)
    await witnesses(db.schema)
    await makeAppendOnly(db, 'audit_entry')
    await makeAppendOnly(db, 'audit_countersignature')
  },
}

async function entries(schema: Schema): Promise<void> {
  await schema
    .createTable('audit_entry')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('at', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('by', 'text', (column) => column.notNull())
    .addColumn('guid', 'text')
    .addColumn('device_id', 'text')
    .addColumn('subject_id', 'text')
    .addColumn('detail', 'text')
    .addColumn('previous', 'blob', (column) => column.notNull())
    .addColumn('hash', 'blob', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_entry_once', ['party', 'seq'])
    .execute()
  // Those of one moment or type come one after the other, so that these two cost little to write.
  await schema
    .createIndex('audit_entry_time')
    .on('audit_entry')
    .columns(['party', 'at', 'seq'])
    .execute()
  await schema
    .createIndex('audit_entry_type')
    .on('audit_entry')
    .columns(['party', 'type', 'at', 'seq'])
    .execute()
  for (const column of ['guid', 'device_id']) {
    await schema
      .createIndex(`audit_entry_${column}`)
      .on('audit_entry')
      .columns(['party', column])
      .where(sql.ref(column), 'is not', null)
      .execute()
  }
}

async function witnesses(schema: Schema): Promise<void> {
  await schema
    .createTable('audit_witness')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('spki', 'blob', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_witness_once', ['party', 'fingerprint'])
    .execute()
  await schema
    .createTable('audit_countersignature')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('witness', 'text', (column) => column.notNull())
    .addColumn('signed', 'blob', (column) => column.notNull())
    .addColumn('witnessed_at', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('audit_countersignature_once', ['party', 'seq', 'witness'])
    .execute()
}
