/** Token buckets by name: per source for those who guess, per token for those who hurry. */
import type { Clock } from '../clock.ts'

export interface Rate {
  readonly perSecond: number
  /** How many at once, after a pause. */
  readonly burst: number
}

const MOST_BUCKETS = 10_000

interface Bucket {
  left: number
  at: number
}

export class RateLimit {
  readonly #rate: Rate
  readonly #clock: Clock
  readonly #buckets = new Map<string, Bucket>()

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
  }

  /** Takes one; gives the seconds to wait where none is left, else 0. */
  take(name: string): number {
    const { perSecond, burst } = this.#rate
    const now = this.#clock.now().getTime()
    const { left, at } = this.#buckets.get(name) ?? { left: burst, at: now }
    const refilled = Math.min(burst, left + (Math.max(0, now - at) / 1000) * perSecond)
    if (refilled < 1) return Math.ceil((1 - refilled) / perSecond)
    this.#buckets.delete(name)
    this.#buckets.set(name, { left: refilled - 1, at: now })
    if (this.#buckets.size > MOST_BUCKETS) this.#forgetOldest()
    return 0
  }

  /** The one used least lately is full again, or is one of too many. */
  #forgetOldest(): void {
    const [oldest] = this.#buckets.keys()
    if (oldest !== undefined) this.#buckets.delete(oldest)
  }
}
