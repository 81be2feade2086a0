/**
 * One partner, and all vouchers that are to go to it: several at once while it answers, one by one
 * and ever more rarely while it does not. Partners know nothing of each other.
 */
import { Alarm } from '../../alarm.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Log } from '../../log.ts'
import type { PartyPort } from '../ports.ts'
import type { Outcome } from './delivery.ts'
import { type PushJob, claim, findDue, findNext } from './store.ts'

export interface LaneServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1). */
  readonly random: () => number
  readonly parties: Pick<PartyPort, 'isActive'>
  readonly stopped: AbortSignal
  attempt(job: PushJob): Promise<Outcome>
  settle(job: PushJob, outcome: Outcome, nextAt: Date): Promise<void>
}

const AT_ONCE = 4
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 3_600_000
/** Longer than a try takes: who dies in the middle of one leaves it to others after that. */
const CLAIM_MS = 120_000

export class Lane {
  readonly #partner: string
  readonly #services: LaneServices
  readonly #alarm: Alarm
  /** Failures to reach it, in a row. */
  #failures = 0
  #closedUntil = new Date(0)

  constructor(partner: string, services: LaneServices) {
    this.#partner = partner
    this.#services = services
    this.#alarm = new Alarm(services.clock, services.stopped)
  }

  /** Something may be due. */
  wake(): void {
    this.#alarm.call()
  }

  /** An administrator wants it tried now. */
  open(): void {
    this.#closedUntil = new Date(0)
    this.wake()
  }

  async run(): Promise<void> {
    const { clock, log, stopped } = this.#services
    while (!stopped.aborted) {
      this.#alarm.listen()
      try {
        if (!(await this.#round())) await this.#alarm.wait()
      } catch (error) {
        log.error({ err: error, partner: this.#partner }, 'pushing vouchers is stuck')
        this.#alarm.set(after(clock.now(), FIRST_PAUSE_MS))
        await this.#alarm.wait()
      }
    }
  }

  /** Whether there was anything to do; if not, the alarm is set for when there will be. */
  async #round(): Promise<boolean> {
    const { database, clock, parties } = this.#services
    const now = clock.now()
    if (this.#closedUntil > now) {
      this.#alarm.set(this.#closedUntil)
      return false
    }
    const [partner, limit] = [this.#partner, this.#failures > 0 ? 1 : AT_ONCE]
    const due = await findDue.all(database.db, { partner, now: now.toISOString(), limit })
    const [first] = due
    if (!first) {
      const next = await findNext.first(database.db, { partner })
      if (next) this.#alarm.set(new Date(next.next_at))
      return false
    }
    // A partner is of one party. What waits for one that is suspended is looked at with all the rest.
    if (!(await parties.isActive(first.party))) return false
    const outcomes = await Promise.all(due.map((job) => this.#tryOne(job)))
    this.#judge(outcomes.filter((one) => one !== undefined))
    return true
  }

  async #tryOne(job: PushJob): Promise<Outcome | undefined> {
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
    await settle(job, outcome, this.#nextTry(job, outcome))
    return outcome
  }

  /** Whether the partner as such is to be left alone for a while. */
  #judge(outcomes: readonly Outcome[]): void {
    const later = outcomes.find((one) => one.kind === 'later')
    if (!later || outcomes.some(({ kind }) => kind !== 'later')) {
      if (outcomes.length > 0) this.#failures = 0
      return
    }
    this.#failures++
    const { clock, log } = this.#services
    const pauseMs = later.pauseMs ?? this.#pauseMs(this.#failures)
    this.#closedUntil = after(clock.now(), pauseMs)
    log.warn({ partner: this.#partner, reason: later.reason }, 'a partner takes no vouchers')
  }

  #nextTry({ attempts }: PushJob, outcome: Outcome): Date {
    const asked = outcome.kind === 'later' ? outcome.pauseMs : undefined
    return after(this.#services.clock.now(), asked ?? this.#pauseMs(attempts + 1))
  }

  #pauseMs(failures: number): number {
    const doubled = FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 20)
    const spread = 0.75 + 0.5 * this.#services.random()
    return Math.min(doubled, LONGEST_PAUSE_MS) * spread
  }
}

function after(time: Date, ms: number): Date {
  return new Date(time.getTime() + ms)
}
