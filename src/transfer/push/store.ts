/** Which vouchers are to be pushed to whom, when next, and how it went. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { PushJobTable } from '../../database/tables/transfer.ts'

export type PushJob = PushJobTable

/** One that failed for good is tried anew; one that waits or was delivered stays as it is. */
export const putJob = statement(
  (db, p: Pick<PushJob, 'id' | 'party' | 'partner' | 'guid' | 'voucher_hash' | 'next_at'>) =>
    db
      .insertInto('push_job')
      .values({
        id: p.id,
        party: p.party,
        partner: p.partner,
        guid: p.guid,
        voucher_hash: p.voucher_hash,
        state: 'waiting',
        attempts: 0,
        next_at: p.next_at,
        last_error: null,
        created_at: p.next_at,
        updated_at: p.next_at,
      })
      .onConflict((conflict) =>
        conflict
          .columns(['party', 'partner', 'guid', 'voucher_hash'])
          .doUpdateSet({ state: 'waiting', attempts: 0, next_at: p.next_at })
          .where('push_job.state', '=', 'failed'),
      ),
)

export const findJobFor = statement(
  (db, p: Pick<PushJob, 'party' | 'partner' | 'guid' | 'voucher_hash'>) =>
    db
      .selectFrom('push_job')
      .select('id')
      .where('party', '=', p.party)
      .where('partner', '=', p.partner)
      .where('guid', '=', p.guid)
      .where('voucher_hash', '=', p.voucher_hash),
)

export const findDue = statement((db, p: { partner: string; now: string; limit: number }) =>
  db
    .selectFrom('push_job')
    .selectAll()
    .where('state', '=', 'waiting')
    .where('partner', '=', p.partner)
    .where('next_at', '<=', p.now)
    .orderBy('next_at')
    .limit(p.limit),
)

export const findNext = statement((db, p: { partner: string }) =>
  db
    .selectFrom('push_job')
    .select('next_at')
    .where('state', '=', 'waiting')
    .where('partner', '=', p.partner)
    .orderBy('next_at')
    .limit(1),
)

/** Nobody else takes it up before `until`; none where somebody has already. */
export const claim = statement(
  (db, p: { readonly id: string; readonly seen: string; readonly until: string }) =>
    db
      .updateTable('push_job')
      .set({ next_at: p.until })
      .where('id', '=', p.id)
      .where('state', '=', 'waiting')
      .where('next_at', '=', p.seen),
)

type Settled = Pick<PushJob, 'id' | 'state' | 'attempts' | 'next_at' | 'last_error' | 'updated_at'>

export const settle = statement((db, p: Settled) =>
  db
    .updateTable('push_job')
    .set({
      state: p.state,
      attempts: p.attempts,
      next_at: p.next_at,
      last_error: p.last_error,
      updated_at: p.updated_at,
    })
    .where('id', '=', p.id)
    .where('state', '=', 'waiting'),
)

/** True if the party has such a job, and it was not delivered. */
export async function hasten(
  tx: Executor,
  { id, party, at }: { readonly id: string; readonly party: string; readonly at: string },
): Promise<PushJob | undefined> {
  await tx
    .updateTable('push_job')
    .set({ state: 'waiting', attempts: 0, next_at: at, updated_at: at })
    .where('id', '=', id)
    .where('party', '=', party)
    .where('state', '!=', 'delivered')
    .execute()
  return findJob(tx, party, id)
}

export function findJob(db: Executor, party: string, id: string): Promise<PushJob | undefined> {
  return db
    .selectFrom('push_job')
    .selectAll()
    .where('id', '=', id)
    .where('party', '=', party)
    .executeTakeFirst()
}

/** Its partner is gone. */
export async function giveUp(
  tx: Executor,
  p: { readonly partner: string; readonly reason: string; readonly at: string },
): Promise<void> {
  await tx
    .updateTable('push_job')
    .set({ state: 'failed', last_error: p.reason, updated_at: p.at })
    .where('partner', '=', p.partner)
    .where('state', '=', 'waiting')
    .execute()
}

export async function listBusyPartners(db: Executor): Promise<string[]> {
  const rows = await db
    .selectFrom('push_job')
    .select('partner')
    .where('state', '=', 'waiting')
    .distinct()
    .execute()
  return rows.map(({ partner }) => partner)
}

export interface JobFilter {
  readonly party: string
  readonly limit: number
  readonly after?: string | undefined
  readonly state?: PushJob['state'] | undefined
  readonly partner?: string | undefined
  readonly guid?: string | undefined
}

/** In the order of their ids, which says nothing, and stays. */
export function listJobs(db: Executor, filter: JobFilter): Promise<PushJob[]> {
  let query = db
    .selectFrom('push_job')
    .selectAll()
    .where('party', '=', filter.party)
    .orderBy('id')
    .limit(filter.limit)
  if (filter.after !== undefined) query = query.where('id', '>', filter.after)
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.partner !== undefined) query = query.where('partner', '=', filter.partner)
  if (filter.guid !== undefined) query = query.where('guid', '=', filter.guid)
  return query.execute()
}
