/** Which vouchers are to be registered where, when next, and how it went. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { To0JobTable } from '../../database/tables.ts'

export type Job = Pick<
  To0JobTable,
  'guid' | 'party' | 'directive' | 'state' | 'attempts' | 'expires_at'
>
type JobRow = To0JobTable

/** Anew, too, where the voucher has grown: another key of ours owns it now. */
export const putJob = statement(
  (db, p: Pick<JobRow, 'guid' | 'party' | 'directive' | 'origin' | 'next_at'>) =>
    db
      .insertInto('to0_job')
      .values({
        guid: p.guid,
        party: p.party,
        directive: p.directive,
        origin: p.origin,
        state: 'waiting',
        attempts: 0,
        next_at: p.next_at,
        last_error: null,
        expires_at: null,
        addresses: null,
      })
      .onConflict((conflict) =>
        conflict.columns(['guid', 'party', 'directive']).doUpdateSet({
          attempts: 0,
          next_at: p.next_at,
        }),
      ),
)

export const findDue = statement((db, p: { origin: string; now: string; limit: number }) =>
  db
    .selectFrom('to0_job')
    .select(['guid', 'party', 'directive', 'state', 'attempts', 'expires_at'])
    .where('origin', '=', p.origin)
    .where('next_at', '<=', p.now)
    .orderBy('next_at')
    .limit(p.limit),
)

export const findNext = statement((db, p: { origin: string }) =>
  db
    .selectFrom('to0_job')
    .select('next_at')
    .where('origin', '=', p.origin)
    .orderBy('next_at')
    .limit(1),
)

type Success = Pick<JobRow, 'guid' | 'party' | 'directive' | 'next_at' | 'expires_at' | 'addresses'>

export const markRegistered = statement((db, p: Success) =>
  db
    .updateTable('to0_job')
    .set({
      state: 'registered',
      attempts: 0,
      last_error: null,
      next_at: p.next_at,
      expires_at: p.expires_at,
      addresses: p.addresses,
    })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('directive', '=', p.directive),
)

type Failure = Pick<
  JobRow,
  'guid' | 'party' | 'directive' | 'state' | 'attempts' | 'next_at' | 'last_error'
>

export const markFailed = statement((db, p: Failure) =>
  db
    .updateTable('to0_job')
    .set({
      state: p.state,
      attempts: p.attempts,
      last_error: p.last_error,
      next_at: p.next_at,
    })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('directive', '=', p.directive),
)

export const removeJobs = statement((db, p: Pick<JobRow, 'guid' | 'party'>) =>
  db.deleteFrom('to0_job').where('guid', '=', p.guid).where('party', '=', p.party),
)

/** Any rendezvous that still has it. */
export const findLive = statement((db, p: { guid: string; party: string; now: string }) =>
  db
    .selectFrom('to0_job')
    .select('directive')
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('expires_at', '>', p.now)
    .limit(1),
)

export async function listOrigins(db: Executor): Promise<string[]> {
  const rows = await db.selectFrom('to0_job').select('origin').distinct().execute()
  return rows.map(({ origin }) => origin)
}

export function listJobsOf(db: Executor, party: string, guids: readonly string[]) {
  return db
    .selectFrom('to0_job')
    .select(['guid', 'origin', 'state', 'last_error', 'expires_at'])
    .where('guid', 'in', guids)
    .where('party', '=', party)
    .orderBy('directive')
    .execute()
}

const SLICE = 500

export async function listParties(db: Executor): Promise<string[]> {
  const rows = await db.selectFrom('to0_job').select('party').distinct().execute()
  return rows.map(({ party }) => party)
}

/** Some of the party's registrations that name other addresses become due; false if none are. */
export async function hastenStale(
  tx: Executor,
  { party, addresses }: { readonly party: string; readonly addresses: string },
  now: string,
): Promise<boolean> {
  const stale = tx
    .selectFrom('to0_job')
    .select('guid')
    .where('party', '=', party)
    .where('addresses', '!=', addresses)
    .where('next_at', '>', now)
    .where('state', '=', 'registered')
    .limit(SLICE)
  const { numUpdatedRows } = await tx
    .updateTable('to0_job')
    .set({ next_at: now })
    .where('guid', 'in', stale)
    .where('party', '=', party)
    .where('next_at', '>', now)
    .executeTakeFirst()
  return numUpdatedRows > 0n
}
