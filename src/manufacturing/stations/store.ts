/** The stations from where devices are made. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { StationTable } from '../../database/tables/manufacturing.ts'

export type StationRow = StationTable

export const insertStation = statement((db, station: StationRow) =>
  db
    .insertInto('station')
    .values({
      id: station.id,
      party: station.party,
      name: station.name,
      allow: station.allow,
      client_cas: station.client_cas,
      secret_hash: station.secret_hash,
      listener: station.listener,
      created_at: station.created_at,
    })
    .onConflict((conflict) => conflict.columns(['party', 'name']).doNothing()),
)

/** Of all parties. */
export const listAll = statement((db, _: object) =>
  db.selectFrom('station').selectAll().orderBy('id'),
)

type StationId = Pick<StationRow, 'party' | 'id'>

export const findStation = statement((db, p: StationId) =>
  db.selectFrom('station').selectAll().where('id', '=', p.id).where('party', '=', p.party),
)

export const deleteStation = statement((db, p: StationId) =>
  db.deleteFrom('station').where('id', '=', p.id).where('party', '=', p.party),
)

export function listStations(
  db: Executor,
  page: { readonly party: string; readonly limit: number; readonly after?: string | undefined },
): Promise<StationRow[]> {
  const { party, limit, after } = page
  let query = db
    .selectFrom('station')
    .selectAll()
    .where('party', '=', party)
    .orderBy('id')
    .limit(limit)
  if (after !== undefined) query = query.where('id', '>', after)
  return query.execute()
}
