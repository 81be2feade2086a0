/** What parties let the world know of them. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { TransferProfileTable } from '../../database/tables/transfer.ts'

export const findProfile = statement((db, p: { party: string }) =>
  db.selectFrom('transfer_profile').selectAll().where('party', '=', p.party),
)

export async function putProfile(tx: Executor, row: TransferProfileTable): Promise<void> {
  await tx
    .insertInto('transfer_profile')
    .values(row)
    .onConflict((conflict) =>
      conflict.column('party').doUpdateSet({
        is_public: row.is_public,
        updated_at: row.updated_at,
      }),
    )
    .execute()
}
