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

/** Who dies in the middle of a try leaves it to others after this; who lives says so before. */
const CLAIM_MS = 30_000
const RENEW_MS = 10_000

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
    const { clock, attempt, settle, log } = this.#services
    const until = await this.#claim(job.id, job.next_at)
    if (until === undefined) return undefined
    const ended = new AbortController()
    const kept = this.#keep(job.id, until, ended.signal)
    const outcome = await attempt(job).catch((err: unknown): Outcome => {
      log.error({ err, guid: job.guid }, 'a push failed')
      return { kind: 'later', reason: 'an internal error, see the log' }
    })
    ended.abort()
    await kept
    const asked = outcome.kind === 'later' ? outcome.pauseMs : undefined
    const pauseMs = asked ?? pauses.pauseMs(job.attempts + 1)
    await settle(job, outcome, after(clock.now(), pauseMs))
    return outcome
  }

  /** Until when it is ours; undefined where somebody else has it, or it is to be done at once. */
  async #claim(id: string, seen: string): Promise<string | undefined> {
    const { database, clock } = this.#services
    const until = after(clock.now(), CLAIM_MS).toISOString()
    const claimed = await database.commit((tx) => claim.run(tx, { id, seen, until }))
    return claimed === 0 ? undefined : until
  }

  /** A partner may be slow, and several addresses may have to be asked. */
  async #keep(id: string, claimed: string, ended: AbortSignal): Promise<void> {
    const { clock, log } = this.#services
    let until: string | undefined = claimed
    while (until !== undefined) {
      // Rejects when the try has ended.
      await clock.sleep(RENEW_MS, ended).catch(() => {})
      if (ended.aborted) return
      try {
        until = await this.#claim(id, until)
      } catch (err) {
        log.warn({ err }, 'a push goes on that others may take up')
      }
    }
  }
}
