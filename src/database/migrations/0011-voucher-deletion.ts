/** A voucher that was deleted can be had back for a while. */
import type { Kysely, Migration } from 'kysely'

export const voucherDeletion: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema.alterTable('voucher').addColumn('deleted_from', 'text').execute()
  },
}
