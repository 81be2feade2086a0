/** Vouchers on their way between parties: partners, inboxes, what is pushed and what was pulled. */
import { type Kysely, type Migration, sql } from 'kysely'

type Schema = Kysely<unknown>['schema']

export const transfer: Migration = {
  async up({ schema }) {
    await partners(schema)
    await doors(schema)
    await pushing(schema)
    await pulling(schema)
    await records(schema)
    await rules(schema)
    // Of what was sold alone: devices are made and onboarded without it.
    await schema
      .createIndex('voucher_sold')
      .on('voucher')
      .columns(['party', 'owner_key', 'guid'])
      .where(sql.ref('state'), '=', sql.lit('handed-over'))
      .execute()
    // What rules may hand over: one entry for a device between DI and its first onboarding.
    await schema
      .createIndex('voucher_to_hand_over')
      .on('voucher')
      .columns(['party', 'device_info', 'guid'])
      .where(sql.ref('state'), '=', sql.lit('held'))
      .where(sql.ref('origin'), '<>', sql.lit('onboarded'))
      .execute()
  },
}

async function partners(schema: Schema): Promise<void> {
  await schema
    .createTable('partner')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('did', 'text')
    .addColumn('push_url', 'text')
    .addColumn('pull_url', 'text')
    .addColumn('token', 'blob')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addUniqueConstraint('partner_name', ['party', 'name'])
    .execute()
  await schema
    .createTable('partner_key')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('partner', 'text', (column) => column.notNull())
    .addColumn('spki', 'blob', (column) => column.notNull())
    .addColumn('chain', 'blob')
    .addColumn('proven_at', 'text')
    .addColumn('proven_how', 'text')
    .addPrimaryKeyConstraint('partner_key_pk', ['party', 'fingerprint'])
    .execute()
  await schema.createIndex('partner_key_partner').on('partner_key').column('partner').execute()
}

async function doors(schema: Schema): Promise<void> {
  await schema
    .createTable('inbox_token')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('revoked_at', 'text')
    .execute()
  await schema.createIndex('inbox_token_party').on('inbox_token').columns(['party', 'id']).execute()
  await schema
    .createTable('key_auth_session')
    .addColumn('id_hash', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('door', 'text', (column) => column.notNull())
    .addColumn('state', 'blob', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .execute()
  await expiring(schema, 'key_auth_session')
  await schema
    .createTable('key_auth_token')
    .addColumn('hash', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('door', 'text', (column) => column.notNull())
    .addColumn('owner_key', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .execute()
  await expiring(schema, 'key_auth_token')
}

function expiring(schema: Schema, table: string): Promise<void> {
  return schema.createIndex(`${table}_expiry`).on(table).column('expires_at').execute()
}

async function pushing(schema: Schema): Promise<void> {
  await schema
    .createTable('push_job')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('partner', 'text', (column) => column.notNull())
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('voucher_hash', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'text', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addUniqueConstraint('push_job_once', ['party', 'partner', 'guid', 'voucher_hash'])
    .execute()
  await schema
    .createIndex('push_job_due')
    .on('push_job')
    .columns(['state', 'partner', 'next_at'])
    .execute()
  await schema.createIndex('push_job_party').on('push_job').columns(['party', 'id']).execute()
}

async function pulling(schema: Schema): Promise<void> {
  await schema
    .createTable('pull_source')
    .addColumn('partner', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('every_seconds', 'integer')
    .addColumn('next_at', 'text')
    .addColumn('last_at', 'text')
    .addColumn('last_error', 'text')
    .execute()
  await schema.createIndex('pull_source_due').on('pull_source').column('next_at').execute()
  await schema
    .createTable('pulled_voucher')
    .addColumn('partner', 'text', (column) => column.notNull())
    .addColumn('voucher_id', 'text', (column) => column.notNull())
    .addColumn('listed_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('pulled_voucher_pk', ['partner', 'voucher_id'])
    .execute()
}

async function records(schema: Schema): Promise<void> {
  await schema
    .createTable('transfer_receipt')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('direction', 'text', (column) => column.notNull())
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('voucher_hash', 'text', (column) => column.notNull())
    .addColumn('peer', 'text', (column) => column.notNull())
    .addColumn('at', 'text', (column) => column.notNull())
    .addColumn('receipt', 'blob')
    .addPrimaryKeyConstraint('transfer_receipt_pk', ['party', 'direction', 'guid', 'voucher_hash'])
    .execute()
  await schema
    .createTable('transfer_profile')
    .addColumn('party', 'text', (column) => column.primaryKey())
    .addColumn('is_public', 'integer', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute()
}

async function rules(schema: Schema): Promise<void> {
  await schema
    .createTable('transfer_rule')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('model', 'text')
    .addColumn('partner', 'text')
    .addColumn('to_party', 'text')
    .addColumn('last_error', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createIndex('transfer_rule_party')
    .on('transfer_rule')
    .columns(['party', 'id'])
    .execute()
  await schema
    .createTable('transfer_refusal')
    .addColumn('rule', 'text', (column) => column.notNull())
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('transfer_refusal_pk', ['rule', 'guid'])
    .execute()
}
