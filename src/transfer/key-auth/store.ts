/** Callers between Challenge and Prove, and the tokens of those who have proven their key. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { KeyAuthSessionTable, KeyAuthTokenTable } from '../../database/tables/transfer.ts'

export type DoorName = KeyAuthSessionTable['door']

export const addSession = statement((db, row: KeyAuthSessionTable) =>
  db.insertInto('key_auth_session').values({
    id_hash: row.id_hash,
    party: row.party,
    door: row.door,
    state: row.state,
    expires_at: row.expires_at,
  }),
)

export const findSession = statement((db, p: { readonly id_hash: string }) =>
  db.selectFrom('key_auth_session').selectAll().where('id_hash', '=', p.id_hash),
)

/** Gives it and ends it: there is no second try. */
export const takeSession = statement((db, p: { readonly id_hash: string }) =>
  db.deleteFrom('key_auth_session').where('id_hash', '=', p.id_hash).returningAll(),
)

export const addToken = statement((db, row: KeyAuthTokenTable) =>
  db.insertInto('key_auth_token').values({
    hash: row.hash,
    party: row.party,
    door: row.door,
    owner_key: row.owner_key,
    expires_at: row.expires_at,
  }),
)

export const findToken = statement((db, p: { readonly hash: string }) =>
  db.selectFrom('key_auth_token').selectAll().where('hash', '=', p.hash),
)

/** Ends those that have waited longest, of a party or of all, so that `most` are left. */
export async function keepNewest(tx: Executor, most: number, party?: string): Promise<void> {
  let waiting = tx.selectFrom('key_auth_session')
  if (party !== undefined) waiting = waiting.where('party', '=', party)
  const { n } = await waiting
    .select(tx.fn.count<number>('id_hash').as('n'))
    .executeTakeFirstOrThrow()
  if (Number(n) <= most) return
  const oldest = waiting
    .select('id_hash')
    .orderBy('expires_at')
    .limit(Number(n) - most)
  await tx.deleteFrom('key_auth_session').where('id_hash', 'in', oldest).execute()
}

export async function sweepKeyAuth(tx: Executor, now: string): Promise<void> {
  await tx.deleteFrom('key_auth_session').where('expires_at', '<=', now).execute()
  await tx.deleteFrom('key_auth_token').where('expires_at', '<=', now).execute()
}
