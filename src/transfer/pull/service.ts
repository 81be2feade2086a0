/**
 * Vouchers that others hold for us, fetched by proving each key they may have been sold to. One is
 * written down when it has been taken in, so that a pull that was broken off goes on where it was.
 */
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import { Problem } from '../../http/problem.ts'
import type { Actor, Partner, Partners } from '../partners/service.ts'
import type { PartyPort } from '../ports.ts'
import { PullRound, type Pulled, type RoundServices, problemOf } from './round.ts'
import * as store from './store.ts'
import type { PullSource } from './store.ts'

export interface PullServices extends RoundServices {
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly random: () => number
  readonly partners: Partners
  readonly parties: Pick<PartyPort, 'isActive'>
}

export interface SourceView extends Partial<PullSource> {
  readonly partner: string
  readonly name: string
  readonly pullUrl: string
}

const LOOK_AROUND_MS = 30_000
const JITTER = 0.1

export class PullService {
  readonly #services: PullServices
  readonly #stopped = new AbortController()
  readonly #underWay = new Map<string, Promise<Pulled>>()
  #running: Promise<void> | undefined

  constructor(services: PullServices) {
    this.#services = services
  }

  start(): void {
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
    await Promise.allSettled(this.#underWay.values())
  }

  /** Two who ask at once get what one of them gets. Throws a Problem. */
  async pull(party: string, id: string): Promise<Pulled> {
    const partner = await this.#services.partners.find(party, id)
    return this.#underWay.get(id) ?? this.#begin(partner)
  }

  #begin(partner: Partner): Promise<Pulled> {
    const { id } = partner
    const pull = this.#pullAndRecord(partner).finally(() => this.#underWay.delete(id))
    this.#underWay.set(id, pull)
    return pull
  }

  /** The partners of this page that there is something to pull from. */
  async view(partners: readonly Partner[]): Promise<SourceView[]> {
    const sources = partners.filter(({ pull_url }) => pull_url !== null)
    return Promise.all(sources.map((partner) => this.#viewOf(partner)))
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<SourceView> {
    return this.#viewOf(await this.#services.partners.find(party, id))
  }

  /** `null`: only when asked to. */
  async schedule(by: Actor, id: string, everySeconds: number | null): Promise<SourceView> {
    const { database, partners, clock, audit } = this.#services
    const { party } = by
    const partner = await partners.find(party, id)
    const next_at = everySeconds === null ? null : clock.now().toISOString()
    const row = { partner: id, party, every_seconds: everySeconds, next_at }
    const about = { by: by.id, subject: { id }, detail: { every_seconds: everySeconds } }
    await database.commit(async (tx) => {
      await store.putSchedule.run(tx, row)
      await audit.append(tx, { party, type: 'pull-scheduled', ...about })
    })
    return this.#viewOf(partner)
  }

  async #viewOf(partner: Partner): Promise<SourceView> {
    const { id, name, pull_url: pullUrl } = partner
    if (pullUrl === null)
      throw new Problem('not-found', `partner ${id} has no address to pull from`)
    const row = await store.findSource.first(this.#services.database.db, { partner: id })
    return { ...row, partner: id, name, pullUrl }
  }

  async #pullAndRecord(partner: Partner): Promise<Pulled> {
    const { database, clock } = this.#services
    const { id, party } = partner
    const record = (last_error: string | null) =>
      database.commit((tx) =>
        store.putOutcome.run(tx, {
          ...{ partner: id, party, last_error },
          last_at: clock.now().toISOString(),
        }),
      )
    try {
      const round = new PullRound(this.#services, partner, this.#stopped.signal)
      const pulled = await round.run()
      const [failure] = pulled.failed
      await record(failure ? `${failure.id}: ${failure.reason}` : null)
      return pulled
    } catch (cause) {
      const problem = problemOf(cause)
      await record(problem.message)
      throw problem
    }
  }

  /** What is due by schedule. */
  async #run(): Promise<void> {
    const { clock, log } = this.#services
    const { signal } = this.#stopped
    while (!signal.aborted) {
      await this.#pullDue().catch((err: unknown) => log.error({ err }, 'nothing was pulled'))
      // Rejects when the signal comes: nothing is wrong then.
      await clock.sleep(LOOK_AROUND_MS, signal).catch(() => {})
    }
  }

  /** Begins what is due, and waits for none of it: a slow partner holds up nobody else. */
  async #pullDue(): Promise<void> {
    const { database, clock, parties, log } = this.#services
    const now = clock.now()
    for (const source of await store.findDue.all(database.db, { now: now.toISOString() })) {
      const { partner, party } = source
      const claim = { partner, seen: source.next_at ?? '', next: this.#nextTime(source, now) }
      if ((await database.commit((tx) => store.claim.run(tx, claim))) === 0) continue
      // Its turn passes, so that it is not in the way of others.
      if (this.#underWay.has(partner) || !(await parties.isActive(party))) continue
      void this.pull(party, partner).catch((err: unknown) => {
        if (!(err instanceof Problem)) log.error({ err, partner }, 'a pull failed')
        else log.warn({ partner, reason: err.message }, 'a pull failed')
      })
    }
  }

  #nextTime({ every_seconds }: PullSource, now: Date): string {
    const spread = 1 + JITTER * (2 * this.#services.random() - 1)
    return new Date(now.getTime() + (every_seconds ?? 0) * 1000 * spread).toISOString()
  }
}
