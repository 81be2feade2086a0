/**
 * Runs that this process answered last, by the token it gave: their next message finds the state
 * without the database and without a key. A short cut only. What is not here any more, or was
 * answered elsewhere, is found by its token; and what is here is still moved on by compare-and-set.
 */
import type { Turn } from './turn.ts'

interface Recent {
  readonly turn: Turn
  /** Milliseconds; the token is worth nothing from then on. */
  readonly expiresAt: number
}

/** Beyond these the oldest go: a flood of runs that begin is to cost no more than this. */
const MOST_KEPT = 2_000
/** Larger states are few, and wait in their rows. */
const MOST_STATE_BYTES = 8_192

export class RecentRuns {
  readonly #kept = new Map<string, Recent>()

  keep(authorization: string, turn: Turn, expiresAt: number): void {
    if (turn.held.packed.length > MOST_STATE_BYTES) return
    this.#kept.set(authorization, { turn, expiresAt })
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '')
  }

  /** Once only: a message sent again has to find its answer, not the state. */
  take(authorization: string, firstMessage: number, now: number): Turn | undefined {
    const recent = this.#kept.get(authorization)
    if (recent?.turn.role.firstMessage !== firstMessage) return undefined
    this.#kept.delete(authorization)
    return recent.expiresAt > now ? recent.turn : undefined
  }

  drop(authorization: string | undefined): void {
    this.#kept.delete(authorization ?? '')
  }

  /** No session key is kept longer than its session. */
  dropExpired(now: number): void {
    for (const [authorization, { expiresAt }] of this.#kept) {
      if (expiresAt <= now) this.#kept.delete(authorization)
    }
  }
}
