/**
 * How a voucher's entries are signed: until here all were as FDO 1.1 has it. And an issuer and an
 * audience may be claimed by several parties: those that claimed them before need not be named.
 */
import { type Kysely, type Migration, sql } from 'kysely'

const KEPT: readonly string[] = [
  ...['id', 'party', 'name', 'issuer', 'audience', 'jwks_uri', 'claim', 'roles', 'created_at'],
]

export const hardening: Migration = {
  async up(db: Kysely<unknown>) {
    const { schema } = db
    await schema
      .alterTable('voucher')
      .addColumn('entry_style', 'text', (column) => column.notNull().defaultTo('fdo-1.1'))
      .execute()
    await schema.dropIndex('identity_provider_party').execute()
    // A unique constraint cannot be dropped in SQLite.
    await schema.alterTable('identity_provider').renameTo('identity_provider_before').execute()
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
      .addColumn('is_named', 'integer', (column) => column.notNull())
      .addUniqueConstraint('identity_provider_by_party', ['party', 'issuer', 'audience'])
      .execute()
    const columns = sql.join(KEPT.map((name) => sql.ref(name)))
    await sql`insert into identity_provider (${columns}, is_named)
      select ${columns}, 0 from identity_provider_before`.execute(db)
    await schema.dropTable('identity_provider_before').execute()
    await schema
      .createIndex('identity_provider_party')
      .on('identity_provider')
      .columns(['party', 'id'])
      .execute()
    await schema
      .createIndex('identity_provider_unnamed')
      .unique()
      .on('identity_provider')
      .columns(['issuer', 'audience'])
      .where(sql.ref('is_named'), '=', sql.lit(0))
      .execute()
  },
}
