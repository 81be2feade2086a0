/** Machine clients, and the assertions they have used up. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { MachineClientTable } from '../../database/tables/callers.ts'

export type ClientRow = MachineClientTable

export const findClient = statement((db, p: { id: string }) =>
  db.selectFrom('machine_client').selectAll().where('id', '=', p.id),
)

export const listClients = statement((db, p: { party: string; after: string; limit: number }) =>
  db
    .selectFrom('machine_client')
    .selectAll()
    .where('party', '=', p.party)
    .where('id', '>', p.after)
    .orderBy('id')
    .limit(p.limit),
)

export async function addClient(tx: Executor, row: ClientRow): Promise<void> {
  await tx.insertInto('machine_client').values(row).execute()
}

type Changed = Pick<ClientRow, 'name' | 'scopes' | 'disabled_at'>

export async function changeClient(
  tx: Executor,
  { party, id }: { readonly party: string; readonly id: string },
  changed: Changed | Pick<ClientRow, 'method' | 'credential' | 'rotated_at'>,
): Promise<void> {
  await tx
    .updateTable('machine_client')
    .set(changed)
    .where('id', '=', id)
    .where('party', '=', party)
    .execute()
}

export const removeClient = statement((db, p: { party: string; id: string }) =>
  db.deleteFrom('machine_client').where('id', '=', p.id).where('party', '=', p.party),
)

/** 0 where it has been used before. */
export const useAssertion = statement(
  (db, p: { clientId: string; jtiHash: string; expiresAt: string }) =>
    db
      .insertInto('used_assertion')
      .values({ client_id: p.clientId, jti_hash: p.jtiHash, expires_at: p.expiresAt })
      .onConflict((conflict) => conflict.columns(['client_id', 'jti_hash']).doNothing()),
)

export const forgetAssertions = statement((db, p: { now: string }) =>
  db.deleteFrom('used_assertion').where('expires_at', '<', p.now),
)
