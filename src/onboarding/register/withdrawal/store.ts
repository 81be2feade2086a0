/** Registrations that are to be taken back, among those that are kept alive. */
import { statement } from '../../../database/statement.ts'
import type { To0JobTable } from '../../../database/tables/onboarding.ts'

type JobRow = To0JobTable
type VoucherName = Pick<JobRow, 'guid' | 'party'>
type JobName = VoucherName & Pick<JobRow, 'directive'>

const WITHDRAWING = 'withdrawing'

/** Those that no rendezvous has, or of whose owner nothing is known. */
export const removeUnregistered = statement((db, p: VoucherName & { readonly now: string }) =>
  db
    .deleteFrom('to0_job')
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where((eb) =>
      eb.or([
        eb('expires_at', 'is', null),
        eb('expires_at', '<=', p.now),
        eb('owner_key', 'is', null),
      ]),
    ),
)

export const beginWithdrawal = statement((db, p: VoucherName & Pick<JobRow, 'next_at'>) =>
  db
    .updateTable('to0_job')
    .set({ state: WITHDRAWING, attempts: 0, last_error: null, next_at: p.next_at })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .returning(['directive', 'origin', 'owner_key']),
)

/** Not one that is to be registered again meanwhile. */
export const removeWithdrawn = statement((db, p: JobName) =>
  db
    .deleteFrom('to0_job')
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('directive', '=', p.directive)
    .where('state', '=', WITHDRAWING),
)

export const postpone = statement(
  (db, p: JobName & Pick<JobRow, 'attempts' | 'next_at' | 'last_error'>) =>
    db
      .updateTable('to0_job')
      .set({ attempts: p.attempts, next_at: p.next_at, last_error: p.last_error })
      .where('guid', '=', p.guid)
      .where('party', '=', p.party)
      .where('directive', '=', p.directive)
      .where('state', '=', WITHDRAWING),
)

type Late = JobName & Pick<JobRow, 'expires_at' | 'owner_key'>

/** It was registered once more while it began to be withdrawn. */
export const prolong = statement((db, p: Late) =>
  db
    .updateTable('to0_job')
    .set({ expires_at: p.expires_at, owner_key: p.owner_key })
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('directive', '=', p.directive)
    .where('state', '=', WITHDRAWING),
)

/** The first registration of a voucher that has gone meanwhile. */
export const putWithdrawal = statement((db, p: Late & Pick<JobRow, 'origin' | 'next_at'>) =>
  db.insertInto('to0_job').values({
    guid: p.guid,
    party: p.party,
    directive: p.directive,
    origin: p.origin,
    state: WITHDRAWING,
    attempts: 0,
    next_at: p.next_at,
    last_error: null,
    expires_at: p.expires_at,
    addresses: null,
    owner_key: p.owner_key,
  }),
)
