/** The tokens senders show at a party's inbox, by the hash of their secret. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { InboxTokenTable } from '../../database/tables/transfer.ts'

export type InboxTokenRow = InboxTokenTable

export const findToken = statement((db, p: { id: string }) =>
  db.selectFrom('inbox_token').selectAll().where('id', '=', p.id),
)

/** In the order of their ids. */
export function listTokens(
  db: Executor,
  party: string,
  limit: number,
  after = '',
): Promise<InboxTokenRow[]> {
  return db
    .selectFrom('inbox_token')
    .selectAll()
    .where('party', '=', party)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
}

export async function addToken(tx: Executor, row: InboxTokenRow): Promise<void> {
  await tx.insertInto('inbox_token').values(row).execute()
}

/** False if the party has no such token, or it was revoked before. */
export async function revokeToken(
  tx: Executor,
  { id, party, at }: { readonly id: string; readonly party: string; readonly at: string },
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable('inbox_token')
    .set({ revoked_at: at })
    .where('id', '=', id)
    .where('party', '=', party)
    .where('revoked_at', 'is', null)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}
