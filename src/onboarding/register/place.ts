/**
 * One rendezvous, and all that is to be registered there: several at once while it answers, one by
 * one and ever more rarely while it does not. Places know nothing of each other, so that one that
 * cannot be reached holds up no other.
 */
import type { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Log } from '../../log.ts'
import type { Slots } from './slots.ts'
import { type Job, findSoonest } from './store.ts'

/** What came of one try; `unreachable` says something of the place, `refused` of the voucher. */
export type Outcome =
  | {
      readonly kind: 'registered'
      readonly waitSeconds: number
      readonly deviceId: string
      /** What the rendezvous was told. */
      readonly addresses: To2Addresses
    }
  | Failure

export interface Failure {
  readonly kind: 'refused' | 'unreachable'
  readonly reason: string
}

export interface PlaceServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1). */
  readonly random: () => number
  readonly slots: Slots
  attempt(job: Job): Promise<Outcome>
  /** Records what came of a try, and when the next is due. */
  settle(job: Job, outcome: Outcome, nextAt: Date): Promise<void>
}

const AT_ONCE = 8
const FIRST_PAUSE_MS = 2_000
const LONGEST_PAUSE_MS = 10 * 60_000
/** A registration is renewed when this part of its time is over. */
const RENEW_AFTER = 0.8
const JITTER = 0.05
const LONGEST_IDLE_MS = 3_600_000

export class Place {
  readonly #origin: string
  readonly #services: PlaceServices
  /** Failures to reach it, in a row. */
  #failures = 0
  #closedUntil = 0
  #lastError: string | undefined
  #idle = new AbortController()

  constructor(origin: string, services: PlaceServices) {
    this.#origin = origin
    this.#services = services
  }

  /** Why nothing can be registered here at present. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  /** Something may be due. */
  wake(): void {
    this.#idle.abort()
  }

  async run(stopped: AbortSignal): Promise<void> {
    stopped.addEventListener('abort', () => this.#idle.abort(), { once: true })
    while (!stopped.aborted) {
      // From here on, so that whoever wakes it while it looks is not overheard.
      this.#idle = new AbortController()
      try {
        await this.#round()
      } catch (error) {
        this.#services.log.error({ err: error, rendezvous: this.#origin }, 'TO0 is stuck')
        await this.#sleep(FIRST_PAUSE_MS)
      }
    }
  }

  async #round(): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now()
    if (this.#closedUntil > now.getTime()) {
      return this.#sleep(this.#closedUntil - now.getTime())
    }
    const limit = this.#failures > 0 ? 1 : AT_ONCE
    const soonest = await findSoonest.all(database.db, { origin: this.#origin, limit })
    const due = soonest.filter(({ next_at }) => next_at <= now.toISOString())
    if (due.length > 0) return this.#attemptAll(due)
    const [next] = soonest
    await this.#sleep(next ? Date.parse(next.next_at) - now.getTime() : LONGEST_IDLE_MS)
  }

  async #attemptAll(jobs: readonly Job[]): Promise<void> {
    const { slots } = this.#services
    const outcomes = await Promise.all(
      jobs.map(async (job) => ({ job, outcome: await slots.run(() => this.#attempt(job)) })),
    )
    this.#judge(outcomes.map(({ outcome }) => outcome))
    await Promise.all(
      outcomes.map(({ job, outcome }) =>
        this.#services.settle(job, outcome, this.#nextTry(job, outcome)),
      ),
    )
  }

  async #attempt(job: Job): Promise<Outcome> {
    try {
      return await this.#services.attempt(job)
    } catch (error) {
      this.#services.log.error({ err: error, guid: job.guid }, 'TO0 failed')
      return { kind: 'refused', reason: 'an internal error, see the log' }
    }
  }

  /** Whether the place as such is to be left alone for a while. */
  #judge(outcomes: readonly Outcome[]): void {
    const failure = outcomes.find((one): one is Failure => one.kind === 'unreachable')
    if (!failure || outcomes.some(({ kind }) => kind !== 'unreachable')) {
      this.#failures = 0
      this.#lastError = undefined
      return
    }
    this.#failures++
    this.#lastError = failure.reason
    this.#closedUntil = this.#services.clock.now().getTime() + this.#pauseMs(this.#failures)
    const { log } = this.#services
    log.warn({ rendezvous: this.#origin, reason: this.#lastError }, 'rendezvous unreachable')
  }

  #nextTry({ attempts }: Job, outcome: Outcome): Date {
    const now = this.#services.clock.now().getTime()
    if (outcome.kind !== 'registered') return new Date(now + this.#pauseMs(attempts + 1))
    const spread = 1 + JITTER * (2 * this.#services.random() - 1)
    const renewMs = outcome.waitSeconds * 1000 * RENEW_AFTER * spread
    return new Date(now + Math.max(1_000, renewMs))
  }

  #pauseMs(failures: number): number {
    const doubled = FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20)
    const spread = 0.75 + 0.5 * this.#services.random()
    return Math.min(doubled, LONGEST_PAUSE_MS) * spread
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#idle
    if (signal.aborted) return
    // Rejects when it is woken up, or told to stop: nothing is wrong then.
    await this.#services.clock.sleep(Math.min(ms, LONGEST_IDLE_MS), signal).catch(() => {})
  }
}
