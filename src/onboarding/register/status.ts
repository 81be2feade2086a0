/** How it stands with the rendezvous servers that a voucher is to be registered at. */
import type { listJobsOf } from './store.ts'

/** A voucher's registrations, taken together. */
export interface To0Status {
  /** `withdrawing`: it is registered, and is to be no longer. */
  readonly state: 'withdrawing' | 'waiting' | 'failing' | 'registered'
  readonly lastError: string | null
  readonly expiresAt: string | null
}

/** One of them. */
export interface To0Server extends To0Status {
  /** The base URL tried first. */
  readonly url: string
  readonly nextAt: string
}

/** `placeError`: why nothing can be registered there at present. */
export function statusOf(
  { state, last_error, expires_at }: Awaited<ReturnType<typeof listJobsOf>>[number],
  placeError: string | undefined,
  now: string,
): To0Status {
  const lastError = last_error ?? placeError ?? null
  const isLive = expires_at !== null && expires_at > now
  const expiresAt = isLive ? expires_at : null
  if (state === 'withdrawing') return { state, lastError, expiresAt }
  if (isLive) return { state: 'registered', lastError, expiresAt }
  return { state: lastError === null ? 'waiting' : 'failing', lastError, expiresAt }
}

/** One rendezvous that knows the owner is enough; what is wrong elsewhere is told all the same. */
export function together(a: To0Status, b: To0Status): To0Status {
  const [best, other] = RANK[b.state] > RANK[a.state] ? [b, a] : [a, b]
  const expiresAt =
    [best.expiresAt ?? '', other.expiresAt ?? ''].reduce((x, y) => (x > y ? x : y)) || null
  return { state: best.state, lastError: best.lastError ?? other.lastError, expiresAt }
}

const RANK = { withdrawing: 0, waiting: 1, failing: 2, registered: 3 }
