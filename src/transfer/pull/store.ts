/** From whom vouchers are pulled, how often, and what has been. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { PullSourceTable } from '../../database/tables/transfer.ts'

export type PullSource = PullSourceTable

export const findSource = statement((db, p: { partner: string }) =>
  db.selectFrom('pull_source').selectAll().where('partner', '=', p.partner),
)

export const putSchedule = statement(
  (db, p: Pick<PullSource, 'partner' | 'party' | 'every_seconds' | 'next_at'>) =>
    db
      .insertInto('pull_source')
      .values({
        partner: p.partner,
        party: p.party,
        every_seconds: p.every_seconds,
        next_at: p.next_at,
        last_at: null,
        last_error: null,
      })
      .onConflict((conflict) =>
        conflict.column('partner').doUpdateSet({
          every_seconds: p.every_seconds,
          next_at: p.next_at,
        }),
      ),
)

export const putOutcome = statement(
  (db, p: Pick<PullSource, 'partner' | 'party' | 'last_at' | 'last_error'>) =>
    db
      .insertInto('pull_source')
      .values({
        partner: p.partner,
        party: p.party,
        every_seconds: null,
        next_at: null,
        last_at: p.last_at,
        last_error: p.last_error,
      })
      .onConflict((conflict) =>
        conflict.column('partner').doUpdateSet({
          last_at: p.last_at,
          last_error: p.last_error,
        }),
      ),
)

export const findDue = statement((db, p: { now: string }) =>
  db
    .selectFrom('pull_source')
    .selectAll()
    .where('next_at', '<=', p.now)
    .orderBy('next_at')
    .limit(8),
)

/** None where another process took it up, or it was rescheduled. */
export const claim = statement(
  (db, p: { readonly partner: string; readonly seen: string; readonly next: string }) =>
    db
      .updateTable('pull_source')
      .set({ next_at: p.next })
      .where('partner', '=', p.partner)
      .where('next_at', '=', p.seen),
)

export const addPulled = statement(
  (db, p: { readonly partner: string; readonly voucher_id: string; readonly listed_at: string }) =>
    db
      .insertInto('pulled_voucher')
      .values({ partner: p.partner, voucher_id: p.voucher_id, listed_at: p.listed_at })
      .onConflict((conflict) =>
        conflict.columns(['partner', 'voucher_id']).doUpdateSet({ listed_at: p.listed_at }),
      ),
)

/** When each of these was listed that has been taken in. */
export async function findPulled(
  db: Executor,
  partner: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('pulled_voucher')
    .select(['voucher_id', 'listed_at'])
    .where('partner', '=', partner)
    .where('voucher_id', 'in', ids)
    .execute()
  return new Map(rows.map(({ voucher_id, listed_at }) => [voucher_id, listed_at]))
}
