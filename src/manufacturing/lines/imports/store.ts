/** Who signs orders for the lines here, and what has come of their documents. */
import type { Executor } from '../../../database/connection.ts'
import { statement } from '../../../database/statement.ts'
import type { OrderIssuerTable } from '../../../database/tables/manufacturing.ts'

export type IssuerRow = OrderIssuerTable

export const findImported = statement((db, p: { party: string; share: string }) =>
  db
    .selectFrom('production_order')
    .selectAll()
    .where('party', '=', p.party)
    .where('share', '=', p.share),
)

/** Those of elsewhere that are still made to; with where they came from. */
const listOpen = statement((db, p: { party: string }) =>
  db
    .selectFrom('production_order')
    .select(['id', 'source'])
    .where('party', '=', p.party)
    .where('state', '=', 'open')
    .where('share', 'is not', null),
)

/** An open order that was made out to this key: only with it can be said how many were made. */
export async function findOpenFor(
  db: Executor,
  { party, fingerprint }: { readonly party: string; readonly fingerprint: string },
): Promise<string | undefined> {
  const orders = await listOpen.all(db, { party })
  const isFor = ({ source }: (typeof orders)[number]) =>
    (JSON.parse(source ?? '{}') as { readonly line?: string }).line === fingerprint
  return orders.find(isFor)?.id
}

export const findIssuer = statement((db, p: { party: string; fingerprint: string }) =>
  db
    .selectFrom('order_issuer')
    .selectAll()
    .where('party', '=', p.party)
    .where('fingerprint', '=', p.fingerprint),
)

/** Gives 0 for one that was trusted before. */
export const insertIssuer = statement((db, row: IssuerRow) =>
  db
    .insertInto('order_issuer')
    .values({
      party: row.party,
      fingerprint: row.fingerprint,
      name: row.name,
      created_at: row.created_at,
    })
    .onConflict((conflict) => conflict.columns(['party', 'fingerprint']).doNothing()),
)

export const deleteIssuer = statement((db, p: { party: string; fingerprint: string }) =>
  db
    .deleteFrom('order_issuer')
    .where('party', '=', p.party)
    .where('fingerprint', '=', p.fingerprint),
)

export function listIssuers(
  db: Executor,
  page: { readonly party: string; readonly limit: number; readonly after?: string | undefined },
): Promise<IssuerRow[]> {
  const { party, limit, after } = page
  let query = db
    .selectFrom('order_issuer')
    .selectAll()
    .where('party', '=', party)
    .orderBy('fingerprint')
    .limit(limit)
  if (after !== undefined) query = query.where('fingerprint', '>', after)
  return query.execute()
}

/** By its name, which is a station's once in a party. */
export const findStation = statement((db, p: { party: string; name: string }) =>
  db.selectFrom('station').select('id').where('party', '=', p.party).where('name', '=', p.name),
)
