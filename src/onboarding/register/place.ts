/**
 * One rendezvous, and all that is to be registered there: several at once while it answers, one by
 * one and ever more rarely while it does not. Places know nothing of each other, so that one that
 * cannot be reached holds up no other.
 */
import type { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Log } from '../../log.ts'
import { Alarm } from '../../alarm.ts'
import type { Slots } from '../../slots.ts'
import { type Job, findDue, findNext } from './store.ts'

/** What came of one try; `unreachable` says something of the place, `refused` of the voucher. */
export type Outcome =
  | {
      readonly kind: 'registered'
      readonly waitSeconds: number
      readonly deviceId: string
      /** What the rendezvous was told. */
      readonly addresses: To2Addresses
      /** SHA-256 of the SubjectPublicKeyInfo of who has registered, hex. */
      readonly ownerKey: string
    }
  /** What was to be taken back: it has been, or nothing can be done but let it lapse. */
  | { readonly kind: 'withdrawn' | 'lapsed' }
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
  readonly stopped: AbortSignal
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
/** The last moment a Date can name. */
const LATEST = 8.64e15

export class Place {
  readonly #origin: string
  readonly #services: PlaceServices
  /** Failures to reach it, in a row. */
  #failures = 0
  #closedUntil = new Date(0)
  #lastError: string | undefined
  readonly #alarm: Alarm

  constructor(origin: string, services: PlaceServices) {
    this.#origin = origin
    this.#services = services
    this.#alarm = new Alarm(services.clock, services.stopped)
  }

  /** Why nothing can be registered here at present. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  /** Something may be due. */
  wake(): void {
    this.#alarm.call()
  }

  /** Somebody does not want to wait until it is tried again. */
  reopen(): void {
    this.#closedUntil = new Date(0)
    this.wake()
  }

  async run(): Promise<void> {
    const { clock, log, stopped } = this.#services
    while (!stopped.aborted) {
      this.#alarm.listen()
      try {
        await this.#round()
      } catch (error) {
        log.error({ err: error, rendezvous: this.#origin }, 'TO0 is stuck')
        this.#alarm.set(after(clock.now(), FIRST_PAUSE_MS))
        await this.#alarm.wait()
      }
    }
  }

  /** Tries what is due, or waits until something is. */
  async #round(): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now()
    const origin = this.#origin
    if (this.#closedUntil > now) {
      this.#alarm.set(this.#closedUntil)
      return this.#alarm.wait()
    }
    const limit = this.#failures > 0 ? 1 : AT_ONCE
    const due = await findDue.all(database.db, { origin, now: now.toISOString(), limit })
    if (due.length > 0) return this.#attemptAll(due)
    // Each try sets the alarm for the next: only who comes anew has to ask.
    if (!this.#alarm.isSet) {
      const next = await findNext.first(database.db, { origin })
      this.#alarm.set(next ? new Date(next.next_at) : after(now, Infinity))
    }
    await this.#alarm.wait()
  }

  async #attemptAll(jobs: readonly Job[]): Promise<void> {
    const { slots } = this.#services
    const outcomes = await Promise.all(
      jobs.map(async (job) => ({ job, outcome: await slots.run(() => this.#attempt(job)) })),
    )
    this.#judge(outcomes.map(({ outcome }) => outcome))
    await Promise.all(outcomes.map(({ job, outcome }) => this.#settle(job, outcome)))
  }

  async #settle(job: Job, outcome: Outcome): Promise<void> {
    const nextAt = this.#nextTry(job, outcome)
    await this.#services.settle(job, outcome, nextAt)
    this.#alarm.set(nextAt)
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
  #judge(all: readonly Outcome[]): void {
    // Of those the place was not asked.
    const outcomes = all.filter(({ kind }) => kind !== 'lapsed')
    if (outcomes.length === 0) return
    const failure = outcomes.find((one): one is Failure => one.kind === 'unreachable')
    if (!failure || outcomes.some(({ kind }) => kind !== 'unreachable')) {
      this.#failures = 0
      this.#lastError = undefined
      return
    }
    this.#failures++
    this.#lastError = failure.reason
    const { clock, log } = this.#services
    this.#closedUntil = after(clock.now(), this.#pauseMs(this.#failures))
    log.warn({ rendezvous: this.#origin, reason: this.#lastError }, 'rendezvous unreachable')
  }

  #nextTry({ attempts }: Job, outcome: Outcome): Date {
    const { clock, random } = this.#services
    const now = clock.now()
    if (outcome.kind !== 'registered') return after(now, this.#pauseMs(attempts + 1))
    const spread = 1 + JITTER * (2 * random() - 1)
    return after(now, Math.max(1_000, outcome.waitSeconds * 1000 * RENEW_AFTER * spread))
  }

  #pauseMs(failures: number): number {
    const doubled = FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20)
    const spread = 0.75 + 0.5 * this.#services.random()
    return Math.min(doubled, LONGEST_PAUSE_MS) * spread
  }
}

function after(time: Date, ms: number): Date {
  return new Date(Math.min(time.getTime() + ms, LATEST))
}
