/**
 * Keeps our vouchers registered, with every rendezvous they name: as soon as a voucher is ours, and
 * again before the registration lapses. What is to be done is in the database, so that a restart
 * loses nothing; of what is there only what is due next is ever looked at.
 */
import { hash } from 'node:crypto'
import { encodeAs } from '../../../protocol/cbor/schema.ts'
import { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Voucher } from '../../../protocol/voucher/voucher.ts'
import type { AuditLog } from '../../audit/log.ts'
import { apart } from '../../database/alongside.ts'
import { type Executor, afterCommit } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import type { Log } from '../../log.ts'
import { type AttemptServices, placesOf, register } from './attempt.ts'
import { type Outcome, Place } from './place.ts'
import { Slots } from '../../slots.ts'
import * as store from './store.ts'
import type { Job } from './store.ts'

export interface RegisterServices extends AttemptServices {
  readonly database: Database
  readonly audit: Pick<AuditLog, 'append'>
  readonly log: Log
  readonly events: Pick<Events, 'registrationMade' | 'registrationFailed'>
  /** In [0, 1). */
  readonly random: () => number
  readonly vouchers: AttemptServices['vouchers'] & {
    findDeviceId(
      voucher: { readonly party: string; readonly guid: string },
      executor: Executor,
    ): Promise<string | undefined>
  }
  readonly devices: {
    moveDevice(
      tx: Executor,
      move: {
        readonly id: string
        readonly move: 'registered' | 'registration-lapsed'
        readonly detail?: object
        readonly error?: string
      },
    ): Promise<boolean>
  }
  readonly ownerAddresses: AttemptServices['ownerAddresses'] & {
    onChange(listener: (party: string) => void): void
  }
}

/** Whose voucher. */
interface Registered {
  readonly party: string
  readonly guid: string
}

/** How a voucher's registrations stand, taken together. */
export interface To0Status {
  readonly state: 'waiting' | 'registered' | 'failing'
  readonly lastError: string | null
  readonly expiresAt: string | null
}

/** How it stands with one of them. */
export interface To0Server extends To0Status {
  /** The base URL tried first. */
  readonly url: string
  readonly nextAt: string
}

/** At all places together. */
const AT_ONCE = 64

export class Register {
  readonly #services: RegisterServices
  readonly #places = new Map<string, Place>()
  readonly #running: Promise<void>[] = []
  readonly #slots = new Slots(AT_ONCE)
  readonly #stopped = new AbortController()
  /** Moves on with the owner addresses; which of them a try began with. */
  #generation = 0
  readonly #begunIn = new WeakMap<Job, number>()
  #started = false

  constructor(services: RegisterServices) {
    this.#services = services
  }

  async start(): Promise<void> {
    for (const origin of await store.listOrigins(this.#services.database.db)) this.#placeAt(origin)
    this.#started = true
    for (const place of this.#places.values()) this.#open(place)
    this.#services.ownerAddresses.onChange((party) => {
      this.#generation++
      void this.#readdress(party)
    })
    for (const party of await store.listParties(this.#services.database.db)) {
      await this.#readdress(party)
    }
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#running)
  }

  /** A voucher is a party's; in the transaction that makes it so. */
  async held(
    tx: Executor,
    { party, guid, voucher }: Registered & { readonly voucher: Voucher },
  ): Promise<void> {
    const next_at = this.#services.clock.now().toISOString()
    const origins = new Set<string>()
    for (const { index: directive, targets } of placesOf(voucher)) {
      const origin = targets[0]?.url
      if (origin === undefined || origins.has(origin)) continue
      origins.add(origin)
      await store.putJob.run(tx, { guid, party, directive, origin, next_at })
      afterCommit(tx, () => this.#placeAt(origin).wake())
    }
  }

  /** A voucher is the party's no longer. */
  async released(tx: Executor, { party, guid }: Registered): Promise<void> {
    await store.removeJobs.run(tx, { party, guid })
  }

  /** Of each of these vouchers of a party that is to be registered at all. */
  async statusOf(party: string, guids: readonly string[]): Promise<ReadonlyMap<string, To0Status>> {
    const statuses = new Map<string, To0Status>()
    if (guids.length === 0) return statuses
    for (const job of await store.listJobsOf(this.#services.database.db, party, guids)) {
      const one = this.#statusOf(job)
      const others = statuses.get(job.guid)
      statuses.set(job.guid, others ? together(others, one) : one)
    }
    return statuses
  }

  /** How it stands with each rendezvous that a voucher is to be registered at. */
  async serversOf({ party, guid }: Registered): Promise<readonly To0Server[]> {
    const jobs = await store.listJobsOf(this.#services.database.db, party, [guid])
    return jobs.map((job) => ({ url: job.origin, nextAt: job.next_at, ...this.#statusOf(job) }))
  }

  /**
   * Registers a voucher now, with every rendezvous it names, whatever is due and however often it
   * has failed. False where it is not to be registered at all.
   */
  async hasten({ party, guid }: Registered): Promise<boolean> {
    const { database, clock } = this.#services
    const now = clock.now().toISOString()
    if ((await store.hasten.run(database.db, { guid, party, now })) === 0) return false
    for (const { origin } of await store.listJobsOf(database.db, party, [guid])) {
      this.#placeAt(origin).reopen()
    }
    return true
  }

  #statusOf(job: Awaited<ReturnType<typeof store.listJobsOf>>[number]): To0Status {
    const { origin, last_error, expires_at } = job
    const lastError = last_error ?? this.#places.get(origin)?.lastError ?? null
    const isLive = expires_at !== null && expires_at > this.#services.clock.now().toISOString()
    if (isLive) return { state: 'registered', lastError, expiresAt: expires_at }
    return { state: lastError === null ? 'waiting' : 'failing', lastError, expiresAt: null }
  }

  #placeAt(origin: string): Place {
    const known = this.#places.get(origin)
    if (known) return known
    const place = new Place(origin, {
      ...this.#services,
      slots: this.#slots,
      stopped: this.#stopped.signal,
      attempt: (job) => {
        this.#begunIn.set(job, this.#generation)
        return register(this.#services, job)
      },
      settle: (job, outcome, nextAt) => this.#settle({ job, outcome, nextAt, origin }),
    })
    this.#places.set(origin, place)
    if (this.#started) this.#open(place)
    return place
  }

  #open(place: Place): void {
    this.#running.push(apart(() => place.run()))
  }

  async #settle(settled: Settled): Promise<void> {
    const { database, events } = this.#services
    const { job, outcome, origin: rendezvous } = settled
    if (outcome.kind === 'registered') {
      await database.commit((tx) => this.#registered(tx, settled, outcome))
      const { waitSeconds: seconds } = outcome
      events.registrationMade({ guid: job.guid, rendezvous, seconds })
      return
    }
    const { reason } = outcome
    await database.commit((tx) => this.#failed(tx, settled, reason))
    // That a place cannot be reached is said of the place, once.
    if (outcome.kind === 'refused') {
      events.registrationFailed({ guid: job.guid, rendezvous, reason })
    }
  }

  async #registered(
    tx: Executor,
    { job, nextAt, origin: rendezvous }: Settled,
    { waitSeconds, deviceId: id, addresses }: Extract<Outcome, { kind: 'registered' }>,
  ): Promise<void> {
    const { clock, devices, audit } = this.#services
    const { guid, party, directive } = job
    const now = clock.now()
    const expires_at = new Date(now.getTime() + waitSeconds * 1000).toISOString()
    const isOutdated = this.#begunIn.get(job) !== this.#generation
    const stored = await store.markRegistered.run(tx, {
      guid,
      party,
      directive,
      next_at: (isOutdated ? now : nextAt).toISOString(),
      expires_at,
      addresses: digestOf(party, addresses),
    })
    if (stored === 0 || job.state === 'registered') return
    const detail = { guid, rendezvous, expires_at }
    await devices.moveDevice(tx, { id, move: 'registered', detail })
    // The first time only: renewals would fill the log.
    const entry = { party, type: 'registered', by: 'system', detail: { rendezvous } }
    await audit.append(tx, { ...entry, subject: { guid, device: id } })
  }

  async #failed(tx: Executor, { job, nextAt }: Settled, reason: string): Promise<void> {
    const { clock, vouchers, devices } = this.#services
    const { guid, party, directive, attempts } = job
    const now = clock.now().toISOString()
    const isLive = job.expires_at !== null && job.expires_at > now
    const stored = await store.markFailed.run(tx, {
      guid,
      party,
      directive,
      state: isLive ? 'registered' : 'failing',
      attempts: attempts + 1,
      next_at: nextAt.toISOString(),
      last_error: reason,
    })
    if (stored === 0 || isLive || job.state !== 'registered') return
    const elsewhere = await store.findLive.first(tx, { guid, party, now })
    const id = elsewhere ? undefined : await vouchers.findDeviceId({ party, guid }, tx)
    const move = 'registration-lapsed'
    if (id !== undefined) await devices.moveDevice(tx, { id, move, error: reason })
  }

  /** What was registered with other addresses than those that hold now is registered anew. */
  async #readdress(party: string): Promise<void> {
    const { database, clock, ownerAddresses, log } = this.#services
    try {
      const addresses = digestOf(party, await ownerAddresses.value(party))
      const now = clock.now().toISOString()
      for (const stale of await store.listStaleAddresses(database.db, party, addresses)) {
        let after: string | undefined = ''
        while (after !== undefined) {
          const from: string = after
          after = await database.commit((tx) => store.hastenSome(tx, stale, from, now))
        }
      }
      for (const place of this.#places.values()) place.wake()
    } catch (err) {
      log.error({ err }, 'registrations with old addresses were left as they are')
    }
  }
}

interface Settled {
  readonly job: Job
  readonly outcome: Outcome
  readonly nextAt: Date
  readonly origin: string
}

/** One rendezvous that knows the owner is enough; what is wrong elsewhere is told all the same. */
function together(a: To0Status, b: To0Status): To0Status {
  const [best, other] = RANK[b.state] > RANK[a.state] ? [b, a] : [a, b]
  const expiresAt =
    [best.expiresAt ?? '', other.expiresAt ?? ''].reduce((x, y) => (x > y ? x : y)) || null
  return { state: best.state, lastError: best.lastError ?? other.lastError, expiresAt }
}

const RANK = { waiting: 0, failing: 1, registered: 2 }

function digestOf(party: string, addresses: To2Addresses): string {
  const digest = hash('sha256', encodeAs(To2Addresses, addresses), 'hex').slice(0, 16)
  return store.addressesOf(party, digest)
}
