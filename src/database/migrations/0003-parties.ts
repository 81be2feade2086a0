/**
 * Whose everything is. What was there before belongs to the party that every installation has.
 * Primary keys change, so that most tables are built anew and filled from those before.
 */
import { type Kysely, type Migration, sql } from 'kysely'

const HOME = sql.lit('fdop_home')

export const parties: Migration = {
  async up(db: Kysely<unknown>) {
    await partiesThemselves(db)
    await vouchers(db)
    await devices(db)
    await documents(db)
    await secrets(db)
    await certificates(db)
  },
}

async function partiesThemselves({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('party')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique())
    .addColumn('roles', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('suspended_at', 'text')
    .execute()
  await schema
    .createTable('invitation')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('roles', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('expires_at', 'text', (column) => column.notNull())
    .addColumn('used_by', 'text')
    .execute()
}

async function vouchers(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('voucher_new')
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('party', 'text', (column) => column.notNull())
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
    .addPrimaryKeyConstraint('voucher_once', ['guid', 'party'])
    .execute()
  await fill(db, 'voucher', [
    ...['guid', 'device_id', 'device_info', 'owner_key', 'state', 'origin', 'entries', 'revision'],
    ...['superseded_by', 'exported_at', 'created_at', 'updated_at', 'cbor'],
  ])
  await schema
    .createTable('to0_job_new')
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('directive', 'integer', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('next_at', 'text', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('expires_at', 'text')
    .addColumn('addresses', 'text')
    .addPrimaryKeyConstraint('to0_job_once', ['guid', 'party', 'directive'])
    .addForeignKeyConstraint(
      'to0_job_voucher',
      ['guid', 'party'],
      'voucher_new',
      ['guid', 'party'],
      (constraint) => constraint.onDelete('cascade'),
    )
    .execute()
  await fill(db, 'to0_job', [
    ...['guid', 'directive', 'origin', 'state', 'attempts', 'next_at', 'last_error'],
    ...['expires_at', 'addresses'],
  ])
  // From now on a registration names whose addresses it was made with, too.
  await sql`update to0_job_new set addresses = ${HOME} || ':' || addresses`.execute(db)
  await replace(db, 'to0_job', 'voucher')
  await schema.createIndex('voucher_device').on('voucher').column('device_id').execute()
  await schema.createIndex('voucher_party').on('voucher').columns(['party', 'guid']).execute()
  await schema.createIndex('to0_job_due').on('to0_job').columns(['origin', 'next_at']).execute()
}

async function devices(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('device_group_new')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('scopes', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('device_group_once', ['party', 'name'])
    .execute()
  await fill(db, 'device_group', ['name', 'scopes', 'created_at', 'updated_at'])
  await schema
    .createTable('device_new')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('guid', 'text', (column) => column.notNull())
    .addColumn('serial', 'text')
    .addColumn('model', 'text', (column) => column.notNull())
    .addColumn('group_name', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('last_error', 'text')
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addColumn('onboarded_at', 'text')
    .addForeignKeyConstraint('device_in_group', ['party', 'group_name'], 'device_group_new', [
      'party',
      'name',
    ])
    .execute()
  await fill(db, 'device', [
    ...['id', 'guid', 'serial', 'model', 'group_name', 'state', 'last_error', 'created_at'],
    ...['updated_at', 'onboarded_at'],
  ])
  await replace(db, 'device', 'device_group')
  await schema.createIndex('device_guid').on('device').column('guid').execute()
  await schema.createIndex('device_serial').on('device').column('serial').execute()
  await schema.createIndex('device_party').on('device').columns(['party', 'id']).execute()
}

/** What an administrator writes. */
async function documents(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('plan_new')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('document', 'text', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('plan_once', ['party', 'name'])
    .execute()
  await fill(db, 'plan', ['name', 'version', 'document', 'created_at', 'updated_at'])
  await replace(db, 'plan')
  await schema
    .createTable('setting_new')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('value', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('setting_once', ['party', 'name'])
    .execute()
  await fill(db, 'setting', ['name', 'value', 'version', 'updated_at'])
  await replace(db, 'setting')
}

async function secrets(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema
    .createTable('private_key_new')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('purpose', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('fingerprint', 'text', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('spki', 'blob', (column) => column.notNull())
    .addColumn('wrapped', 'blob', (column) => column.notNull())
    .addColumn('created_at', 'text', (column) => column.notNull())
    .addUniqueConstraint('private_key_once', ['party', 'purpose', 'fingerprint'])
    .execute()
  await fill(db, 'private_key', [
    ...['id', 'purpose', 'kind', 'fingerprint', 'origin', 'spki', 'wrapped', 'created_at'],
  ])
  await replace(db, 'private_key')
  await schema.createIndex('private_key_public').on('private_key').column('fingerprint').execute()
  await schema
    .alterTable('api_token')
    .addColumn('party', 'text', (column) => column.notNull().defaultTo(HOME))
    .execute()
  await schema.alterTable('api_token').addColumn('first_used_at', 'text').execute()
}

async function certificates({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('certificate')
    .addColumn('party', 'text', (column) => column.notNull().defaultTo(HOME))
    .execute()
  await schema
    .createIndex('certificate_party')
    .on('certificate')
    .columns(['party', 'serial'])
    .execute()
}

/** `TABLE_new` gets the rows of TABLE. */
async function fill(db: Kysely<unknown>, table: string, columns: readonly string[]): Promise<void> {
  const names = sql.join(columns.map((column) => sql.ref(column)))
  const copy = sql`insert into ${sql.table(`${table}_new`)} (party, ${names})
    select ${HOME}, ${names} from ${sql.table(table)}`
  await copy.execute(db)
}

/** `TABLE_new` takes the place of TABLE; those that point at others come first. */
async function replace({ schema }: Kysely<unknown>, ...tables: readonly string[]): Promise<void> {
  for (const table of tables) await schema.dropTable(table).execute()
  for (const table of tables.toReversed()) {
    await schema.alterTable(`${table}_new`).renameTo(table).execute()
  }
}
