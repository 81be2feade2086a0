/**
 * When those who are turned away are to come again: not all together, and the more there are of them,
 * the later some come, so that turning them away once more costs little.
 */

/** In seconds. */
const SOONEST = 2
const LATEST = 60
/** So many seconds to choose from while they are few. */
const CHOICE = 9
const MOST_IN_A_SECOND = 300

export class RetryAfter {
  /** How many were told to come, by second. */
  readonly #expected = new Map<number, number>()

  /** In how many seconds the next is to come; `random` from 0 up to 1. */
  tell(nowMs = performance.now(), random = Math.random()): number {
    const now = Math.floor(nowMs / 1000)
    this.#forget(now)
    const at = now + this.#free(now, SOONEST + Math.floor(random * CHOICE))
    this.#expected.set(at, this.#countAt(at) + 1)
    return at - now
  }

  #free(now: number, wanted: number): number {
    for (let seconds = wanted; seconds <= LATEST; seconds++) {
      if (this.#countAt(now + seconds) < MOST_IN_A_SECOND) return seconds
    }
    return LATEST
  }

  #forget(now: number): void {
    // The first is not the earliest, but the oldest: each is gone within a minute or two.
    for (const at of this.#expected.keys()) if (at <= now) this.#expected.delete(at)
  }

  #countAt(second: number): number {
    return this.#expected.get(second) ?? 0
  }
}
