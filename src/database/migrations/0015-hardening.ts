/** How a voucher's entries are signed: until here all were as FDO 1.1 has it. */
import type { Kysely, Migration } from 'kysely'

export const hardening: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .alterTable('voucher')
      .addColumn('entry_style', 'text', (column) => column.notNull().defaultTo('fdo-1.1'))
      .execute()
  },
}
