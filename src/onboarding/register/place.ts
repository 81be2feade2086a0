/** What is to be registered at one rendezvous: each job tried, and settled. */
import type { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { type Errands, type Pauses, type Verdict, after } from '../../destinations/destination.ts'
import type { Log } from '../../log.ts'
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
  /** Whether this process is the one to register. */
  isOurs(): boolean
  attempt(job: Job): Promise<Outcome>
  /** Why nothing can be registered here at present; undefined where that is over. */
  note(error: string | undefined): Promise<void>
  /** Records what came of a try, and when the next is due. */
  settle(job: Job, outcome: Outcome, nextAt: Date): Promise<void>
}

/** A registration is renewed when this part of its time is over. */
const RENEW_AFTER = 0.8
const JITTER = 0.05
/** Whoever grants a second, for each of many, would have us do nothing else. */
const SOONEST_RENEWAL_MS = 10_000

export class Place implements Errands<Job> {
  readonly #origin: string
  readonly #services: PlaceServices
  /** Null until it is known here how it stands: another process may have noted something. */
  #noted: string | undefined | null = null

  constructor(origin: string, services: PlaceServices) {
    this.#origin = origin
    this.#services = services
  }

  async findDue(now: string, limit: number): Promise<readonly Job[]> {
    if (!this.#services.isOurs()) return []
    return findDue.all(this.#services.database.db, { origin: this.#origin, now, limit })
  }

  async findNext(): Promise<string | undefined> {
    if (!this.#services.isOurs()) return undefined
    const { db } = this.#services.database
    return (await findNext.first(db, { origin: this.#origin }))?.next_at
  }

  async tryAll(jobs: readonly Job[], pauses: Pauses): Promise<Verdict> {
    const { slots } = this.#services
    const outcomes = await Promise.all(
      jobs.map(async (job) => ({ job, outcome: await slots.run(() => this.#attempt(job)) })),
    )
    await Promise.all(outcomes.map((one) => this.#settle(one, pauses)))
    const verdict = verdictOf(outcomes.map(({ outcome }) => outcome))
    if (verdict.kind === 'there') await this.#note(undefined)
    if (verdict.kind === 'away') await this.#note(verdict.reason)
    return verdict
  }

  /** Only what is news. */
  async #note(error: string | undefined): Promise<void> {
    if (error === this.#noted) return
    await this.#services.note(error)
    this.#noted = error
  }

  async #settle({ job, outcome }: { job: Job; outcome: Outcome }, pauses: Pauses): Promise<void> {
    const nextAt = this.#nextTry(job, outcome, pauses)
    await this.#services.settle(job, outcome, nextAt)
    pauses.expect(nextAt)
  }

  async #attempt(job: Job): Promise<Outcome> {
    try {
      return await this.#services.attempt(job)
    } catch (error) {
      this.#services.log.error({ err: error, guid: job.guid }, 'TO0 failed')
      return { kind: 'refused', reason: 'an internal error, see the log' }
    }
  }

  #nextTry({ attempts }: Job, outcome: Outcome, pauses: Pauses): Date {
    const { clock, random } = this.#services
    const now = clock.now()
    if (outcome.kind !== 'registered') return after(now, pauses.pauseMs(attempts + 1))
    const spread = 1 + JITTER * (2 * random() - 1)
    return after(
      now,
      Math.max(SOONEST_RENEWAL_MS, outcome.waitSeconds * 1000 * RENEW_AFTER * spread),
    )
  }
}

/** How the place as such stands. Of what has lapsed it was not asked. */
function verdictOf(all: readonly Outcome[]): Verdict {
  const outcomes = all.filter(({ kind }) => kind !== 'lapsed')
  if (outcomes.length === 0) return { kind: 'untried' }
  const failure = outcomes.find((one): one is Failure => one.kind === 'unreachable')
  const isAway = failure && outcomes.every(({ kind }) => kind === 'unreachable')
  return isAway ? { kind: 'away', reason: failure.reason } : { kind: 'there' }
}
