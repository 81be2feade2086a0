/** A voucher that was deleted can be had back for a while. What is due to go is found by index. */
import { type Kysely, type Migration, sql } from 'kysely'

export const voucherDeletion: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema.alterTable('voucher').addColumn('deleted_from', 'text').execute()
    for (const state of ['deleted', 'replaced']) {
      await schema
        .createIndex(`voucher_${state}`)
        .on('voucher')
        .column('updated_at')
        .where(sql.ref('state'), '=', sql.lit(state))
        .execute()
    }
  },
}
