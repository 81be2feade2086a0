/** Machines that call the management API, and whose people may. */
import type { Kysely, Migration } from 'kysely'

export const callers: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('machine_client')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('scopes', 'text', (column) => column.notNull())
      .addColumn('method', 'text', (column) => column.notNull())
      .addColumn('credential', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('rotated_at', 'text')
      .addColumn('disabled_at', 'text')
      .execute()
    await schema
      .createIndex('machine_client_party')
      .on('machine_client')
      .columns(['party', 'id'])
      .execute()
    await schema
      .createTable('used_assertion')
      .addColumn('client_id', 'text', (column) => column.notNull())
      .addColumn('jti_hash', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('used_assertion_once', ['client_id', 'jti_hash'])
      .execute()
    await schema
      .createIndex('used_assertion_expiry')
      .on('used_assertion')
      .column('expires_at')
      .execute()
    await schema
      .createTable('identity_provider')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('issuer', 'text', (column) => column.notNull())
      .addColumn('audience', 'text', (column) => column.notNull())
      .addColumn('jwks_uri', 'text', (column) => column.notNull())
      .addColumn('claim', 'text', (column) => column.notNull())
      .addColumn('roles', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addUniqueConstraint('identity_provider_once', ['issuer', 'audience'])
      .execute()
    await schema
      .createIndex('identity_provider_party')
      .on('identity_provider')
      .columns(['party', 'id'])
      .execute()
  },
}
