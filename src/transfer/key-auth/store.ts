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

/** How many wait: in all, and of this party. */
export async function countSessions(
  db: Executor,
  party: string,
  now: string,
): Promise<{ readonly all: number; readonly ofParty: number }> {
  const { count } = db.fn
  const alive = db
    .selectFrom('key_auth_session')
    .select(count<number>('id_hash').as('n'))
    .where('expires_at', '>', now)
  const all = await alive.executeTakeFirst()
  const ofParty = await alive.where('party', '=', party).executeTakeFirst()
  return { all: Number(all?.n ?? 0), ofParty: Number(ofParty?.n ?? 0) }
}

export async function sweepKeyAuth(tx: Executor, now: string): Promise<void> {
  await tx.deleteFrom('key_auth_session').where('expires_at', '<=', now).execute()
  await tx.deleteFrom('key_auth_token').where('expires_at', '<=', now).execute()
}
