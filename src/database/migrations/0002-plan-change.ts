/** Whether plans have changed is known without a column of its own. */
import type { Kysely, Migration } from 'kysely'

export const planChange: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema.alterTable('plan').dropColumn('change').execute()
  },
}
