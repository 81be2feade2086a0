/**
 * A request that is being carried out holds its key by a lease, renewed for as long as it takes:
 * what a hundred thousand vouchers need, too. Of one whose process has died the lease lapses.
 */
import type { Clock } from '../../clock.ts'
import { apart } from '../../database/alongside.ts'
import type { Database } from '../../database/open.ts'
import { type Runner, renewLease } from './store.ts'

/** After this one who has not answered is taken for dead; if it is not, its effect is refused. */
const LEASE_MS = 30_000
/** Twice may be late before it lapses. */
const RENEW_MS = LEASE_MS / 3

export interface LeaseServices {
  readonly database: Pick<Database, 'commit'>
  readonly clock: Clock
}

/** When a lease ends that begins, or is renewed, now. */
export function leaseUntil(clock: Clock): string {
  return new Date(clock.now().getTime() + LEASE_MS).toISOString()
}

/** Does the work, and keeps the lease until that has ended. */
export async function underLease<T>(
  services: LeaseServices,
  runner: Runner,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  // Its commits are not those of the request.
  void apart(() => keep(services, runner, ended.signal))
  try {
    return await work()
  } finally {
    ended.abort()
  }
}

/** Never throws. */
async function keep(
  { database, clock }: LeaseServices,
  runner: Runner,
  ended: AbortSignal,
): Promise<void> {
  for (;;) {
    // Rejects when the work has ended: nothing is wrong then.
    await clock.sleep(RENEW_MS, ended).catch(() => {})
    if (ended.aborted) return
    const renewal = { ...runner, until: leaseUntil(clock) }
    // A database that does not answer now may do so before the lease lapses.
    const renewed = await database.commit((tx) => renewLease.run(tx, renewal)).catch(() => 1)
    // Somebody has taken over, who had reason to think us dead.
    if (renewed === 0) return
  }
}
