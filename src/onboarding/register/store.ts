/** Which vouchers are to be registered where, when next, and how it went. */
import { sql } from 'kysely'
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { To0JobTable } from '../../database/tables/onboarding.ts'

export type Job = Pick<
  To0JobTable,
  'guid' | 'party' | 'directive' | 'origin' | 'state' | 'attempts' | 'expires_at' | 'owner_key'
>
type JobRow = To0JobTable
type JobName = Pick<JobRow, 'guid' | 'party' | 'directive'>

const WITHDRAWING = 'withdrawing'

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
        owner_key: null,
      })
      .onConflict((conflict) =>
        conflict.columns(['guid', 'party', 'directive']).doUpdateSet(({ eb, ref }) => ({
          state: eb
            .case()
            .when(ref('to0_job.state'), '=', WITHDRAWING)
            .then(sql.lit<'waiting'>('waiting'))
            .else(ref('to0_job.state'))
            .end(),
          attempts: 0,
          next_at: p.next_at,
        })),
      ),
)

export const findDue = statement((db, p: { origin: string; now: string; limit: number }) =>
  db
    .selectFrom('to0_job')
    .select(['guid', 'party', 'directive', 'origin'])
    .select(['state', 'attempts', 'expires_at', 'owner_key'])
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

type Success = JobName & Pick<JobRow, 'next_at' | 'expires_at' | 'addresses' | 'owner_key'>

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
      owner_key: p.owner_key,
    })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('directive', '=', p.directive)
    .where('state', '!=', WITHDRAWING),
)

type Failure = JobName & Pick<JobRow, 'state' | 'attempts' | 'next_at' | 'last_error'>

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
    .where('directive', '=', p.directive)
    .where('state', '!=', WITHDRAWING),
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

const nextOrigin = statement((db, p: { after: string }) =>
  db
    .selectFrom('to0_job')
    .select('origin')
    .where('origin', '>', p.after)
    .orderBy('origin')
    .limit(1),
)

/** From one to the next by index: there are few of them, and millions of jobs. */
export async function listOrigins(db: Executor): Promise<string[]> {
  const origins: string[] = []
  for (;;) {
    const next = await nextOrigin.first(db, { after: origins.at(-1) ?? '' })
    if (!next) return origins
    origins.push(next.origin)
  }
}

export function listJobsOf(db: Executor, party: string, guids: readonly string[]) {
  return db
    .selectFrom('to0_job')
    .select(['guid', 'origin', 'state', 'last_error', 'expires_at', 'next_at'])
    .where('guid', 'in', guids)
    .where('party', '=', party)
    .orderBy('directive')
    .execute()
}

/** All of a voucher are due at once, as if none had ever failed. */
export const hasten = statement((db, p: { guid: string; party: string; now: string }) =>
  db
    .updateTable('to0_job')
    .set({ next_at: p.now, attempts: 0 })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('state', '!=', WITHDRAWING),
)

const nextAddresses = statement((db, p: { after: string }) =>
  db
    .selectFrom('to0_job')
    .select('addresses')
    .where('addresses', '>', p.after)
    .orderBy('addresses')
    .limit(1),
)

/** A party's addresses, as registrations name them: those of one party stand together. */
export function addressesOf(party: string, digest: string): string {
  return `${party}:${digest}`
}

/** The parties of whom something is registered. */
export async function listParties(db: Executor): Promise<string[]> {
  const parties: string[] = []
  let after = ''
  for (;;) {
    const [, party] =
      /^(\w+):/.exec((await nextAddresses.first(db, { after }))?.addresses ?? '') ?? []
    if (party === undefined) return parties
    parties.push(party)
    after = `${party};`
  }
}

/** Every digest of addresses that some registration of the party names, but this one. */
export async function listStaleAddresses(
  db: Executor,
  party: string,
  addresses: string,
): Promise<string[]> {
  const stale: string[] = []
  let after = addressesOf(party, '')
  for (;;) {
    const next = await nextAddresses.first(db, { after })
    if (!next?.addresses?.startsWith(addressesOf(party, ''))) return stale
    after = next.addresses
    if (after !== addresses) stale.push(after)
  }
}

const SLICE = 500

const someWith = statement((db, p: { addresses: string; after: string }) =>
  db
    .selectFrom('to0_job')
    .select('guid')
    .where('addresses', '=', p.addresses)
    .where('guid', '>', p.after)
    .orderBy('guid')
    .limit(SLICE),
)

/**
 * Some of the registrations that name these addresses become due; gives the last GUID looked at, or
 * undefined after the last of all.
 */
export async function hastenSome(
  tx: Executor,
  addresses: string,
  after: string,
  now: string,
): Promise<string | undefined> {
  const some = await someWith.all(tx, { addresses, after })
  if (some.length === 0) return undefined
  const guids = some.map(({ guid }) => guid)
  await tx
    .updateTable('to0_job')
    .set({ next_at: now })
    .where('guid', 'in', guids)
    .where('addresses', '=', addresses)
    .where('next_at', '>', now)
    .where('state', '=', 'registered')
    .execute()
  return guids.at(-1)
}
