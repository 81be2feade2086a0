/** Shares of orders for lines that are offline, where devices were made, and stations by listener. */
import type { Kysely, Migration } from 'kysely'

export const orderShares: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .alterTable('station')
      .addColumn('listener', 'text', (column) => column.notNull().defaultTo(''))
      .execute()
    await schema
      .alterTable('production_order')
      .addColumn('reserved', 'integer', (column) => column.notNull().defaultTo(0))
      .execute()
    await schema.alterTable('production_order').addColumn('share', 'text').execute()
    await schema.alterTable('production_order').addColumn('source', 'text').execute()
    await schema
      .createIndex('production_order_share')
      .on('production_order')
      .columns(['party', 'share'])
      .unique()
      .execute()
    await schema.alterTable('order_device').addColumn('station', 'text').execute()
    await schema.alterTable('order_device').addColumn('label', 'text').execute()
    await schema.alterTable('order_device').addColumn('share', 'text').execute()
    await schema
      .createTable('order_share')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('order_id', 'text', (column) => column.notNull())
      .addColumn('line', 'text', (column) => column.notNull())
      .addColumn('quantity', 'integer', (column) => column.notNull())
      .addColumn('made', 'integer', (column) => column.notNull())
      .addColumn('reserved', 'integer', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('first_owner', 'text', (column) => column.notNull())
      .addColumn('document', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text', (column) => column.notNull())
      .addColumn('closed_at', 'text')
      .execute()
    await schema
      .createIndex('order_share_order')
      .on('order_share')
      .columns(['order_id', 'id'])
      .execute()
    await schema
      .createTable('order_issuer')
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('fingerprint', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('order_issuer_once', ['party', 'fingerprint'])
      .execute()
  },
}
