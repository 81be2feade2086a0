/**
 * Keeps our vouchers registered, with every rendezvous they name: as soon as a voucher is ours, and
 * again before the registration lapses. What is to be done is in the database, so that a restart
 * loses nothing; of what is there only what is due next is ever looked at.
 */
import type { Voucher } from '../../../protocol/voucher/voucher.ts'
import type { AuditLog } from '../../audit/log.ts'
import { type Executor, afterCommit } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { Destinations } from '../../destinations/destinations.ts'
import type { Events } from '../../events.ts'
import type { Lease } from '../../leases/leases.ts'
import type { Log } from '../../log.ts'
import { type AttemptServices, placesOf, register } from './attempt.ts'
import { type Outcome, Place } from './place.ts'
import { Bulletin } from './places/bulletin.ts'
import { Readdressing, digestOf } from './readdress.ts'
import { Slots } from '../../slots.ts'
import { Standing } from './standing.ts'
import type { To0Server, To0Status } from './status.ts'
import * as store from './store.ts'
import type { Job } from './store.ts'
import { type WithdrawalServices, Withdrawals } from './withdrawal/withdrawals.ts'

export interface RegisterServices extends AttemptServices, WithdrawalServices {
  readonly database: Database
  readonly audit: Pick<AuditLog, 'append'>
  readonly log: Log
  readonly events: Pick<Events, 'registrationMade' | 'registrationFailed'>
  /** Without it no other process registers what is in this database. */
  readonly lease?: Lease | undefined
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

const PACE = { atOnce: 8, firstPauseMs: 2_000, longestPauseMs: 10 * 60_000 }
const TELLING = { key: 'rendezvous', stuck: 'TO0 is stuck', away: 'rendezvous unreachable' }
/** At all places together. */
const AT_ONCE = 64
/** How soon what another process has left to do is found; later where there are many places. */
const LOOK_AROUND_MS = 1_000
const PER_PLACE_MS = 10
const NOT_LOOKED_FOR = 'vouchers to be registered were not looked for'

export class Register {
  readonly #services: RegisterServices
  readonly #withdrawals: Withdrawals
  readonly #places: Destinations<Job>
  readonly #readdressing: Readdressing
  readonly #bulletin: Bulletin
  readonly #standing: Standing
  readonly #slots = new Slots(AT_ONCE)
  readonly #stopped = new AbortController()
  #lookingAround: Promise<void> | undefined

  constructor(services: RegisterServices) {
    this.#services = services
    this.#bulletin = new Bulletin(services)
    this.#standing = new Standing({
      ...services,
      bulletin: this.#bulletin,
      lastErrorOf: (origin) => this.#places.lastErrorOf(origin),
    })
    this.#withdrawals = new Withdrawals({
      ...services,
      findDeviceId: (voucher, tx) => services.vouchers.findDeviceId(voucher, tx),
      wake: (origin) => this.#places.wake(origin),
    })
    const how = { pace: PACE, telling: TELLING }
    this.#places = new Destinations({ ...services, ...how }, (origin) => this.#placeAt(origin))
    this.#readdressing = new Readdressing(services, () => this.#places.wakeAll())
  }

  async start(): Promise<void> {
    await this.#wakeEverywhere()
    this.#places.start()
    this.#services.ownerAddresses.onChange((party) => void this.#readdressing.of(party))
    const settings = await this.#readdressing.all()
    if (this.#services.lease) this.#lookingAround = this.#lookAround(this.#services.lease, settings)
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([this.#places.stop(), this.#lookingAround])
  }

  /** What other processes leave to be done, and what they have changed. */
  async #lookAround(lease: Lease, settings: number): Promise<void> {
    const { database, clock, log } = this.#services
    const { signal } = this.#stopped
    lease.onTaken(() => {
      this.#wakeEverywhere().catch((err: unknown) => log.error({ err }, NOT_LOOKED_FOR))
    })
    for (let places = 0, seen = settings; !signal.aborted;) {
      // Rejects when the signal comes: nothing is wrong then.
      await clock.sleep(LOOK_AROUND_MS + places * PER_PLACE_MS, signal).catch(() => {})
      if (signal.aborted || !lease.isHeld) continue
      try {
        places = await this.#wakeEverywhere()
        await this.#bulletin.answer((origin) => this.#places.open(origin))
        if (seen !== database.changesOf('setting')) seen = await this.#readdressing.all()
      } catch (err) {
        log.error({ err }, NOT_LOOKED_FOR)
      }
    }
  }

  /** Gives how many places there are. */
  async #wakeEverywhere(): Promise<number> {
    const origins = await store.listOrigins(this.#services.database.db)
    for (const origin of origins) this.#places.wake(origin)
    return origins.length
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
      afterCommit(tx, () => this.#places.wake(origin))
    }
  }

  /** A voucher is the party's no longer. */
  released(tx: Executor, voucher: Registered): Promise<void> {
    return this.#withdrawals.begin(tx, voucher)
  }

  /** Its Device has another name from now on. */
  replaced(tx: Executor, voucher: Registered): Promise<void> {
    return this.#withdrawals.beginLater(tx, voucher)
  }

  /** Of each of these vouchers of a party that is to be registered at all. */
  statusOf(party: string, guids: readonly string[]): Promise<ReadonlyMap<string, To0Status>> {
    return this.#standing.of(party, guids)
  }

  /** How it stands with each rendezvous that a voucher is to be registered at. */
  serversOf({ party, guid }: Registered): Promise<readonly To0Server[]> {
    return this.#standing.serversOf(party, guid)
  }

  /**
   * Registers a voucher now, with every rendezvous it names, whatever is due and however often it
   * has failed. False where it is not to be registered at all.
   */
  async hasten({ party, guid }: Registered): Promise<boolean> {
    const { database, clock } = this.#services
    const now = clock.now().toISOString()
    const origins = await database.commit(async (tx) => {
      if ((await store.hasten.run(tx, { guid, party, now })) === 0) return undefined
      const jobs = await store.listJobsOf(tx, party, [guid])
      const named = jobs.map(({ origin }) => origin)
      await this.#bulletin.call(tx, named, now)
      return named
    })
    for (const origin of origins ?? []) this.#places.open(origin)
    return origins !== undefined
  }

  #placeAt(origin: string): Place {
    return new Place(origin, {
      ...this.#services,
      slots: this.#slots,
      isOurs: () => !this.#bulletin.isReader,
      note: (error) => this.#bulletin.note(origin, error),
      attempt: (job) => {
        if (job.state === 'withdrawing') return this.#withdrawals.attempt(job)
        return register(this.#services, job)
      },
      settle: (job, outcome, nextAt) => this.#settle({ job, outcome, nextAt, origin }),
    })
  }

  async #settle(settled: Settled): Promise<void> {
    const { database, events } = this.#services
    const { job, outcome, nextAt, origin: rendezvous } = settled
    if (job.state === 'withdrawing') {
      await database.commit((tx) => this.#withdrawals.settle(tx, job, outcome, nextAt))
      return
    }
    if (outcome.kind === 'registered') {
      const digest = await this.#readdressing.digest(job.party)
      await database.commit((tx) => this.#registered(tx, settled, outcome, digest))
      const { waitSeconds: seconds } = outcome
      events.registrationMade({ guid: job.guid, rendezvous, seconds })
      return
    }
    if (outcome.kind !== 'refused' && outcome.kind !== 'unreachable') return
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
    outcome: Extract<Outcome, { kind: 'registered' }>,
    wanted: string,
  ): Promise<void> {
    const { clock, devices, audit } = this.#services
    const { guid, party, directive } = job
    const { waitSeconds, deviceId: id, addresses, ownerKey: owner_key } = outcome
    const now = clock.now()
    const expires_at = new Date(now.getTime() + waitSeconds * 1000).toISOString()
    const told = digestOf(party, addresses)
    // They may have changed while the rendezvous was told, here or in another process.
    const isOutdated = told !== wanted
    const stored = await store.markRegistered.run(tx, {
      guid,
      party,
      directive,
      next_at: (isOutdated ? now : nextAt).toISOString(),
      expires_at,
      addresses: told,
      owner_key,
    })
    if (stored === 0) return this.#withdrawals.takeBack(tx, { ...job, expires_at, owner_key })
    if (job.state === 'registered') return
    const detail = { guid, rendezvous, expires_at }
    await devices.moveDevice(tx, { id, move: 'registered', detail })
    // The first time only: renewals would fill the log.
    const entry = { party, type: 'registered', by: 'system', detail: { rendezvous } } as const
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
}

interface Settled {
  readonly job: Job
  readonly outcome: Outcome
  readonly nextAt: Date
  readonly origin: string
}
