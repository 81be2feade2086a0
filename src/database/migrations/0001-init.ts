/** The first schema. A function for each domain, in the order of tables.ts. */
import { type Kysely, type Migration, sql } from 'kysely'

type Schema = Kysely<unknown>['schema']

export const init: Migration = {
  async up({ schema }) {
    await fdo(schema)
    await vouchers(schema)
    await devices(schema)
    await registrations(schema)
    await onboarding(schema)
    await pki(schema)
    await secrets(schema)
  },
}

async function fdo(schema: Schema): Promise<void> {
  await schema
    .createTable('session')
    .addColumn('run_id_hash', 'text', (column) => column.primaryKey())
    .addColumn('role', 'integer', (column) => column.notNull())
    .addColumn('state', 'blob')
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('request_hash', 'blob', (column) => column.notNull())
    .addColumn('reply', 'blob')
    .addColumn('reply_type', 'integer')
    .addColumn('started_at', 'text', (column) => column.notNull())
    .addColumn('ended_at', 'text')
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .execute()
  // Not by expiry, which moves with every message.
  await schema.createIndex('session_start').on('session').column('started_at').execute()
  await schema
    .createTable('sealing_key')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('wrapped', 'blob', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .execute()
}

async function vouchers(schema: Schema): Promise<void> {
  await schema
    .createTable('voucher')
    .addColumn('guid', 'text', (column) => column.primaryKey())
    .addColumn('device_id', 'text', (column) => column.notNull())
    .addColumn('device_info', 'text', (column) => column.notNull())
    .addColumn('owner_key', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('entries', 'integer', (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .addColumn('superseded_by', 'text')
    .addColumn('exported_at', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('cbor', 'blob', (column) => column.notNull())
    .execute()
  await schema.createIndex('voucher_device').on('voucher').column('device_id').execute()
}

async function devices(schema: Schema): Promise<void> {
  await schema
    .createTable('device_group')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('device')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('serial', 'text')
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('group_name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('onboarded_at', 'text')
    .addForeignKeyConstraint('device_in_group', ['group_name'], 'device_group', ['name'])
    .execute()
  await schema.createIndex('device_guid').on('device').column('guid').execute()
  await schema.createIndex('device_serial').on('device').column('serial').execute()
  // Nothing leaves this table, so that the next number is free without a note of the last.
  await schema
    .createTable('device_event')
    .addColumn('seq', 'integer', (column) => column.primaryKey())
    .addColumn('device_id', 'text', (column) => column.notNull())
    .addColumn('at', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('detail', 'text')
    .execute()
  await schema.createIndex('device_event_device').on('device_event').column('device_id').execute()
}

async function registrations(schema: Schema): Promise<void> {
  await schema
    .createTable('registration')
    .addColumn('guid', 'text', (column) => column.primaryKey())
    .addColumn('to1d', 'blob', (column) => column.notNull())
    .addColumn('device_key', 'blob', (column) => column.notNull())
    .addColumn('owner_key', 'blob', (column) => column.notNull())
    .addColumn('entry_hashes', 'blob', (column) => column.notNull())
    .addColumn('run_order', 'bigint', (column) => column.notNull())
    .addColumn('registered_at', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .execute()
  await schema.createIndex('registration_expiry').on('registration').column('expires_at').execute()
  await schema
    .createTable('to0_job')
    .addColumn('guid', 'text', (column) =>
      column.notNull().references('voucher.guid').onDelete('cascade'),
    )
    .addColumn('directive', 'integer', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'text', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('expires_at', 'text')
    .addColumn('addresses', 'text')
    .addPrimaryKeyConstraint('to0_job_once', ['guid', 'directive'])
    .execute()
  await schema.createIndex('to0_job_due').on('to0_job').columns(['origin', 'next_at']).execute()
}

async function onboarding(schema: Schema): Promise<void> {
  await schema
    .createTable('plan')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('change', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createTable('upload')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('device_id', 'text', (column) => column.notNull())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('length', 'bigint', (column) => column.notNull())
    .addColumn('is_kept', 'integer', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addUniqueConstraint('upload_once', ['device_id', 'run_id', 'name'])
    .execute()
}

async function pki(schema: Schema): Promise<void> {
  await schema
    .createTable('certificate')
    .addColumn('serial', 'text', (column) => column.primaryKey())
    .addColumn('profile', 'text', (column) => column.notNull())
    .addColumn('device_id', 'text')
    .addColumn('run_id', 'text')
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('spki_hash', 'text', (column) => column.notNull())
    .addColumn('not_before', 'text', (column) => column.notNull())
    .addColumn('not_after', 'text', (column) => column.notNull())
    .addColumn('der', 'blob', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('status_at', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createIndex('certificate_device')
    .on('certificate')
    .column('device_id')
    .where(sql.ref('profile'), '=', sql.lit('ldevid'))
    .execute()
  await schema
    .createIndex('certificate_end')
    .on('certificate')
    .column('not_after')
    .where(sql.ref('profile'), '=', sql.lit('ldevid'))
    .execute()
  await schema.createIndex('certificate_key').on('certificate').column('spki_hash').execute()
}

async function secrets(schema: Schema): Promise<void> {
  await schema
    .createTable('private_key')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('purpose', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('spki', 'blob', (column) => column.notNull())
    .addColumn('wrapped', 'blob', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addUniqueConstraint('private_key_once', ['purpose', 'fingerprint'])
    .execute()
  await schema
    .createTable('api_token')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text')
    .addColumn('revoked_at', 'text')
    .execute()
  await schema
    .createTable('setting')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull().defaultTo(sql.lit(1)))
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute()
}
