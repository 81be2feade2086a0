/** Shares of orders that lines make, and what they reserve of the order. */
import type { Executor } from '../../../database/connection.ts'
import { statement } from '../../../database/statement.ts'
import type { OrderShareTable } from '../../../database/tables/manufacturing.ts'

export type ShareRow = OrderShareTable

interface Named {
  readonly party: string
  readonly id: string
}

/** Of an order that is open and has so many left; gives nothing where it has not. */
export const reserve = statement((db, p: Named & { quantity: number; at: string }) =>
  db
    .updateTable('production_order')
    .set(({ eb }) => ({ reserved: eb('reserved', '+', p.quantity) }))
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'open')
    .where('expires_at', '>', p.at)
    .where(({ eb, ref }) =>
      eb(eb(eb('made', '+', ref('reserved')), '+', p.quantity), '<=', ref('quantity')),
    )
    .returning('reserved'),
)

/** What a line has not made is the order's again. */
export const release = statement((db, p: Named & { quantity: number }) =>
  db
    .updateTable('production_order')
    .set(({ eb }) => ({ reserved: eb('reserved', '-', p.quantity) }))
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('reserved', '>=', p.quantity),
)

/** A reserved one has come: `made` is 1, or 0 for a device that had counted before. */
export const countReserved = statement((db, p: Named & { made: number }) =>
  db
    .updateTable('production_order')
    .set(({ eb }) => ({ made: eb('made', '+', p.made), reserved: eb('reserved', '-', 1) }))
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('reserved', '>', 0)
    .returning('made'),
)

export const insertShare = statement((db, share: ShareRow) =>
  db.insertInto('order_share').values({
    id: share.id,
    party: share.party,
    order_id: share.order_id,
    line: share.line,
    quantity: share.quantity,
    made: share.made,
    reserved: share.reserved,
    state: share.state,
    first_owner: share.first_owner,
    document: share.document,
    created_at: share.created_at,
    expires_at: share.expires_at,
    closed_at: share.closed_at,
  }),
)

export const findShare = statement((db, p: Named) =>
  db.selectFrom('order_share').selectAll().where('id', '=', p.id).where('party', '=', p.party),
)

/** One more of it; gives nothing where all have come. */
export const countShare = statement((db, p: Named) =>
  db
    .updateTable('order_share')
    .set(({ eb }) => ({ made: eb('made', '+', 1), reserved: eb('reserved', '-', 1) }))
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('reserved', '>', 0)
    .returning('made'),
)

/** Once, and only as it was when it was looked at. */
export const closeShare = statement((db, p: Named & { seen: number; left: number; at: string }) =>
  db
    .updateTable('order_share')
    .set({ state: 'closed', reserved: p.left, closed_at: p.at })
    .where('id', '=', p.id)
    .where('party', '=', p.party)
    .where('state', '=', 'open')
    .where('reserved', '=', p.seen),
)

export function listShares(
  db: Executor,
  page: {
    readonly party: string
    readonly orderId: string
    readonly after?: string | undefined
  } & {
    readonly limit: number
  },
): Promise<ShareRow[]> {
  const { party, orderId, after, limit } = page
  let query = db
    .selectFrom('order_share')
    .selectAll()
    .where('party', '=', party)
    .where('order_id', '=', orderId)
    .orderBy('id')
    .limit(limit)
  if (after !== undefined) query = query.where('id', '>', after)
  return query.execute()
}

export const findMade = statement((db, p: { orderId: string; deviceId: string }) =>
  db
    .selectFrom('order_device')
    .select(['number', 'guid', 'made_at', 'share'])
    .where('order_id', '=', p.orderId)
    .where('device_id', '=', p.deviceId),
)
