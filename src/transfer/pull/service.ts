/**
 * Vouchers that others hold for us, fetched by proving each key they may have been sold to. One is
 * written down when it has been taken in, so that a pull that was broken off goes on where it was.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FdoError } from '../../../protocol/errors.ts'
import { KeyAuthError } from '../../../protocol/key-auth/messages.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Log } from '../../log.ts'
import { TransferRefusal } from '../answer.ts'
import type { Inbox } from '../inbox/service.ts'
import { PartnerError, plain } from '../partner-error.ts'
import type { Actor, Partner, Partners } from '../partners/service.ts'
import type { Http, KeyPort, PartyPort } from '../ports.ts'
import { type Listed, Source } from './source.ts'
import * as store from './store.ts'
import type { PullSource } from './store.ts'

export interface PullServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly log: Log
  readonly random: () => number
  readonly http: Http
  readonly keys: Pick<KeyPort, 'ownerSigners'>
  readonly partners: Partners
  readonly parties: Pick<PartyPort, 'isActive'>
  readonly inbox: Inbox
}

/** What came of a pull, as far as it went. */
export interface Pulled {
  taken: number
  /** Taken in before: pulled, pushed or imported. */
  known: number
  failed: { readonly id: string; readonly reason: string }[]
  /** There is more: ask again. */
  more: boolean
}

/** One that goes on. */
interface Pulling extends Pulled {
  /** Vouchers that had to be asked for, whatever became of them. */
  fetched: number
}

export interface SourceView extends Partial<PullSource> {
  readonly partner: string
  readonly name: string
  readonly pullUrl: string
}

/** One call of the API is answered after so many: it goes on where it was. */
const MOST_AT_ONCE = 1_000
const MOST_FAILURES = 100
/** A million vouchers, in pages of the size we ask for. */
const MOST_PAGES = 5_000
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
      const pulled = await this.#pullFrom(partner)
      const [failure] = pulled.failed
      await record(failure ? `${failure.id}: ${failure.reason}` : null)
      return pulled
    } catch (cause) {
      const problem = problemOf(cause)
      await record(problem.message)
      throw problem
    }
  }

  async #pullFrom(partner: Partner): Promise<Pulled> {
    const { http, keys } = this.#services
    const { pull_url: root, keys: holderKeys, party } = partner
    if (root === null) throw new Problem('conflict', 'this partner has no address to pull from')
    if (holderKeys.length === 0) {
      throw new Problem('conflict', 'no key of this partner is known: add it, or its did:web')
    }
    const pulling: Pulling = { taken: 0, known: 0, failed: [], more: false, fetched: 0 }
    for (const signer of await keys.ownerSigners(party)) {
      const source = new Source(http, { root, party, signer, holderKeys })
      await this.#pullBy(source, partner, pulling)
      if (pulling.more) break
    }
    const { fetched: _, ...pulled } = pulling
    return pulled
  }

  /** All that was sold to one key. */
  async #pullBy(source: Source, partner: Partner, pulled: Pulling): Promise<void> {
    const seen = new Set<string>()
    let continuation = ''
    do {
      if (this.#stopped.signal.aborted) {
        pulled.more = true
        return
      }
      const page = await listed(source, continuation)
      if (!page) return
      await this.#takeAll(source, partner, page, pulled)
      seen.add(continuation)
      continuation = page.continuation
      const isEndless = seen.has(continuation) || seen.size >= MOST_PAGES
      if (isEndless && continuation !== '') throw new Error('its list never ends')
    } while (continuation !== '' && !pulled.more)
  }

  async #takeAll(
    source: Source,
    partner: Partner,
    { items, keepsReceipts }: { items: readonly Listed[]; keepsReceipts: boolean },
    pulled: Pulling,
  ): Promise<void> {
    const { database } = this.#services
    const ids = items.map(({ id }) => id)
    const known = await store.findPulled(database.db, partner.id, ids)
    for (const item of items) {
      if (this.#stopped.signal.aborted || pulled.fetched >= MOST_AT_ONCE) {
        pulled.more = true
        return
      }
      if (item.listedAt !== '' && known.get(item.id) === item.listedAt) pulled.known++
      else await this.#takeOne(source, partner, { ...item, keepsReceipts }, pulled)
    }
  }

  async #takeOne(
    source: Source,
    partner: Partner,
    { id, listedAt, keepsReceipts }: Listed & { keepsReceipts: boolean },
    pulled: Pulling,
  ): Promise<void> {
    const { inbox, database } = this.#services
    pulled.fetched++
    try {
      const voucher = await source.download(id)
      const { receipt, isNew } = await inbox.take(partner.party, voucher, partner)
      // Before it is written down: what is not, is fetched and signed for once more.
      if (keepsReceipts && receipt !== null) await this.#giveReceipt(source, id, receipt)
      const row = { partner: partner.id, voucher_id: id, listed_at: listedAt }
      await database.commit((tx) => store.addPulled.run(tx, row))
      if (isNew) pulled.taken++
      else pulled.known++
    } catch (error) {
      if (isAboutPartner(error) || pulled.failed.length >= MOST_FAILURES) throw error
      pulled.failed.push({ id, reason: problemOf(error).message })
    }
    // Devices are waiting, too.
    await nextTurn()
  }

  /** That it is not wanted after all changes nothing. */
  async #giveReceipt(source: Source, id: string, receipt: string): Promise<void> {
    try {
      await source.giveReceipt(id, receipt)
    } catch (error) {
      if (!(error instanceof PartnerError) || isAboutPartner(error)) throw error
      this.#services.log.warn({ voucher: id, reason: error.message }, 'a receipt was refused')
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

/** Undefined where the partner does not know this key: it has sold nothing to it. */
async function listed(source: Source, continuation: string) {
  try {
    return await source.list(continuation)
  } catch (error) {
    if (error instanceof PartnerError && error.status === 404) return undefined
    throw error
  }
}

/** Of no use to go on with the next voucher. */
function isAboutPartner(error: unknown): boolean {
  if (error instanceof PartnerError) return error.status === 401 || error.isTransient
  if (error instanceof KeyAuthError) return true
  return !(error instanceof TransferRefusal || error instanceof FdoError)
}

/** Bugs of ours are thrown on. */
function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof Error) || error instanceof TypeError) throw error
  return new Problem('check-failed', plain(error.message), { cause: error })
}
