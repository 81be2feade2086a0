/** Where devices find their owners: what owners left here in TO0, and what is remembered of it. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { RegistrationTable } from '../database/tables/rendezvous.ts'

export type RegistrationRow = RegistrationTable
type NewRegistration = Omit<RegistrationRow, 'withdrawal'>

export const findLive = statement((db, p: { guid: string; now: string }) =>
  db
    .selectFrom('registration')
    .select(['to1d', 'device_key'])
    .where('guid', '=', p.guid)
    .where('expires_at', '>', p.now),
)

/** A lapsed one, too. */
export const findAny = statement((db, p: { guid: string }) =>
  db.selectFrom('registration').selectAll().where('guid', '=', p.guid),
)

export const put = statement((db, row: NewRegistration) => {
  const { guid } = row
  const columns = {
    to1d: row.to1d,
    device_key: row.device_key,
    owner_key: row.owner_key,
    entries: row.entries,
    last_entry_hash: row.last_entry_hash,
    run_order: row.run_order,
    registered_at: row.registered_at,
    expires_at: row.expires_at,
  }
  return db
    .insertInto('registration')
    .values({ guid, withdrawal: null, ...columns })
    .onConflict((conflict) => conflict.column('guid').doUpdateSet(columns))
})

type Renewal = Pick<
  RegistrationRow,
  'guid' | 'to1d' | 'device_key' | 'run_order' | 'registered_at' | 'expires_at'
>

/** By the same owner with the same voucher, as most are: leaves the index of owners alone. */
export const renew = statement((db, p: Renewal) =>
  db
    .updateTable('registration')
    .set({
      to1d: p.to1d,
      device_key: p.device_key,
      run_order: p.run_order,
      registered_at: p.registered_at,
      expires_at: p.expires_at,
    })
    .where('guid', '=', p.guid),
)

export const withdraw = statement(
  (db, p: { guid: string; run_order: number; withdrawal: number | null }) =>
    db
      .updateTable('registration')
      .set({
        to1d: null,
        device_key: null,
        expires_at: null,
        run_order: p.run_order,
        withdrawal: p.withdrawal,
      })
      .where('guid', '=', p.guid),
)

/** All that was known of it. */
export const forget = statement((db, p: { guid: string }) =>
  db.deleteFrom('registration').where('guid', '=', p.guid),
)

/** Of those that have lapsed so many become a memory. */
export const retire = statement((db, p: { now: string; limit: number }) =>
  db
    .updateTable('registration')
    .set({ to1d: null, device_key: null, expires_at: null })
    .where('guid', 'in', ({ selectFrom }) =>
      selectFrom('registration')
        .select('guid')
        .where('expires_at', '<=', p.now)
        .orderBy('expires_at')
        .limit(p.limit),
    ),
)

export interface RegistrationFilter {
  readonly limit: number
  /** The last GUID of the page before. */
  readonly after?: string | undefined
  readonly ownerKey?: Bytes | undefined
}

export type ListedRegistration = Omit<RegistrationRow, 'to1d' | 'device_key'>

/** Ordered by GUID; of one owner by index. */
export function listRegistrations(
  db: Executor,
  { limit, after, ownerKey }: RegistrationFilter,
): Promise<ListedRegistration[]> {
  let query = db
    .selectFrom('registration')
    .select(['guid', 'owner_key', 'entries', 'last_entry_hash'])
    .select(['run_order', 'withdrawal', 'registered_at', 'expires_at'])
    .orderBy('guid')
    .limit(limit)
  if (after !== undefined) query = query.where('guid', '>', after)
  if (ownerKey !== undefined) query = query.where('owner_key', '=', ownerKey)
  return query.execute()
}
