/** A party's partners and their keys. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { PartnerKeyTable, PartnerTable } from '../../database/tables/transfer.ts'

export type PartnerRow = PartnerTable
export type PartnerKeyRow = PartnerKeyTable

export const findPartner = statement((db, p: { id: string }) =>
  db.selectFrom('partner').selectAll().where('id', '=', p.id),
)

export const findPartnerNamed = statement((db, p: { party: string; name: string }) =>
  db.selectFrom('partner').select('id').where('party', '=', p.party).where('name', '=', p.name),
)

export const findKeys = statement((db, p: { partner: string }) =>
  db.selectFrom('partner_key').selectAll().where('partner', '=', p.partner).orderBy('fingerprint'),
)

export const findByKey = statement((db, p: { party: string; fingerprint: string }) =>
  db
    .selectFrom('partner')
    .innerJoin('partner_key', 'partner_key.partner', 'partner.id')
    .select(['partner.id', 'partner.name', 'partner.push_url', 'partner_key.proven_at'])
    .where('partner_key.party', '=', p.party)
    .where('partner_key.fingerprint', '=', p.fingerprint),
)

export function listPartners(
  db: Executor,
  party: string,
  limit: number,
  after = '',
): Promise<PartnerRow[]> {
  return db
    .selectFrom('partner')
    .selectAll()
    .where('party', '=', party)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute()
}

/** Both throw what isConflict() knows where the name, or a key, is another partner's. */
export async function addPartner(tx: Executor, row: PartnerRow): Promise<void> {
  await tx.insertInto('partner').values(row).execute()
}

export async function updatePartner(tx: Executor, row: PartnerRow): Promise<boolean> {
  const { id, party, created_at: _, ...rest } = row
  const { numUpdatedRows } = await tx
    .updateTable('partner')
    .set(rest)
    .where('id', '=', id)
    .where('party', '=', party)
    .executeTakeFirst()
  return numUpdatedRows === 1n
}

/** Keys that stay keep their proofs. */
export async function replaceKeys(
  tx: Executor,
  partner: string,
  rows: readonly Omit<PartnerKeyRow, 'proven_at' | 'proven_how'>[],
): Promise<void> {
  const before = await findKeys.all(tx, { partner })
  await tx.deleteFrom('partner_key').where('partner', '=', partner).execute()
  if (rows.length === 0) return
  const kept = rows.map((row) => {
    const same = before.find(({ fingerprint }) => fingerprint === row.fingerprint)
    const { proven_at = null, proven_how = null } = same ?? {}
    return { ...row, proven_at, proven_how }
  })
  await tx.insertInto('partner_key').values(kept).execute()
}

type Proven = Pick<PartnerKeyRow, 'party' | 'fingerprint'> & {
  readonly how: PartnerKeyRow['proven_how']
  readonly at: string
}

export const markProven = statement((db, p: Proven) =>
  db
    .updateTable('partner_key')
    .set({ proven_at: p.at, proven_how: p.how })
    .where('party', '=', p.party)
    .where('fingerprint', '=', p.fingerprint)
    .where('proven_at', 'is', null)
    .returning('partner'),
)

export async function removePartner(tx: Executor, party: string, id: string): Promise<void> {
  await tx.deleteFrom('partner').where('id', '=', id).where('party', '=', party).execute()
  await tx.deleteFrom('partner_key').where('partner', '=', id).execute()
  await tx.deleteFrom('pull_source').where('partner', '=', id).execute()
  await tx.deleteFrom('pulled_voucher').where('partner', '=', id).execute()
}
