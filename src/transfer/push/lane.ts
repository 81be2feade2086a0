/** What is to be pushed to one partner: each job claimed, tried, and settled. */
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { type Errands, type Pauses, type Verdict, after } from '../../destinations/destination.ts'
import type { Log } from '../../log.ts'
import type { PartyPort } from '../ports.ts'
import type { Outcome } from './delivery.ts'
import { type PushJob, claim, findDue, findNext } from './store.ts'

export interface LaneServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly parties: Pick<PartyPort, 'isActive'>
  attempt(job: PushJob): Promise<Outcome>
  settle(job: PushJob, outcome: Outcome, nextAt: Date): Promise<void>
}

/** Longer than a try takes: who dies in the middle of one leaves it to others after that. */
const CLAIM_MS = 120_000

export class Lane implements Errands<PushJob> {
  readonly #partner: string
  readonly #services: LaneServices

  constructor(partner: string, services: LaneServices) {
    this.#partner = partner
    this.#services = services
  }

  findDue(now: string, limit: number): Promise<readonly PushJob[]> {
    return findDue.all(this.#services.database.db, { partner: this.#partner, now, limit })
  }

  async findNext(): Promise<string | undefined> {
    const { db } = this.#services.database
    return (await findNext.first(db, { partner: this.#partner }))?.next_at
  }

  async tryAll(due: readonly PushJob[], pauses: Pauses): Promise<Verdict> {
    const [first] = due
    // A partner is of one party. What waits for one that is suspended is looked at with all the rest.
    if (first && !(await this.#services.parties.isActive(first.party))) return { kind: 'held-up' }
    const tried = await Promise.all(due.map((job) => this.#tryOne(job, pauses)))
    const outcomes = tried.filter((one) => one !== undefined)
    const later = outcomes.find((one) => one.kind === 'later')
    if (outcomes.length === 0) return { kind: 'untried' }
    if (!later || outcomes.some(({ kind }) => kind !== 'later')) return { kind: 'there' }
    return { kind: 'away', reason: later.reason, pauseMs: later.pauseMs }
  }

  async #tryOne(job: PushJob, pauses: Pauses): Promise<Outcome | undefined> {
    const { database, clock, attempt, settle, log } = this.#services
    const until = after(clock.now(), CLAIM_MS).toISOString()
    const isOurs = await database.commit((tx) =>
      claim.run(tx, { id: job.id, seen: job.next_at, until }),
    )
    if (isOurs === 0) return undefined
    const outcome = await attempt(job).catch((err: unknown): Outcome => {
      log.error({ err, guid: job.guid }, 'a push failed')
      return { kind: 'later', reason: 'an internal error, see the log' }
    })
    const asked = outcome.kind === 'later' ? outcome.pauseMs : undefined
    const pauseMs = asked ?? pauses.pauseMs(job.attempts + 1)
    await settle(job, outcome, after(clock.now(), pauseMs))
    return outcome
  }
}
