/** Registrations as those deal with them who keep them here, and those who made them. */
import { hash } from 'node:crypto'
import { type Bytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import { LOOK_UP, WITHDRAW, parseOwnRequest } from '../../protocol/to0/own-registration.ts'
import type { AuditLog } from '../audit/log.ts'
import type { EntryType } from '../audit/types.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Events } from '../events.ts'
import { Problem } from '../http/problem.ts'
import type { RunOrder } from './acceptance.ts'
import { dismiss } from './alarms/store.ts'
import { isMeantFor } from './audience.ts'
import * as store from './store.ts'
import type { ListedRegistration, RegistrationFilter, RegistrationRow } from './store.ts'

export interface RegistrationServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly runs: RunOrder
  readonly events: Pick<Events, 'registrationWithdrawn' | 'registrationForgotten'>
  /** The URLs this rendezvous is reached at: a request signed for another host is none of ours. */
  readonly urls: () => readonly string[]
}

export interface StateFilter extends RegistrationFilter {
  readonly state?: 'live' | 'ended' | undefined
}

interface Page {
  readonly rows: readonly ListedRegistration[]
  /** Where the next page begins; undefined after the last. */
  readonly next: string | undefined
}

/** A request of an owner counts for so long, either way: clocks differ. */
const FRESH_MS = 5 * 60_000
/** So many are looked at for one page, however few of them are asked for. */
const MOST_LOOKED_AT = 2_000

export class Registrations {
  readonly #services: RegistrationServices

  constructor(services: RegistrationServices) {
    this.#services = services
  }

  /** A page may hold less than `limit`, or nothing, and yet have a next. */
  async list({ state, limit, ...filter }: StateFilter): Promise<Page> {
    const { database, clock } = this.#services
    const look = state === undefined ? limit : MOST_LOOKED_AT
    const found = await store.listRegistrations(database.db, { ...filter, limit: look + 1 })
    const now = clock.now().toISOString()
    const wanted = found.slice(0, look).filter((row) => {
      return state === undefined || (state === 'live') === isLive(row, now)
    })
    const rows = wanted.slice(0, limit)
    const isCut = wanted.length > limit
    const next = isCut ? rows.at(-1) : found.length > look ? found.at(-2) : undefined
    return { rows, next: next?.guid }
  }

  /** Throws not-found. */
  async find(guid: string): Promise<RegistrationRow> {
    const row = await store.findAny.first(this.#services.database.db, { guid })
    return row ?? notFound(guid)
  }

  isLive(row: Pick<RegistrationRow, 'expires_at'>): boolean {
    return isLive(row, this.#services.clock.now().toISOString())
  }

  /** Devices are told nothing any more; who owned them last is remembered. Throws not-found. */
  async withdraw(guid: string, by: string): Promise<void> {
    const { database, events } = this.#services
    await database.commit(async (tx) => {
      const row = (await store.findAny.first(tx, { guid })) ?? notFound(guid)
      await this.#end(tx, row, row.withdrawal)
      await this.#tell(tx, 'registration-withdrawn', guid, by)
    })
    events.registrationWithdrawn({ guid, by })
  }

  /** As if it had never been here: whoever registers next is believed. Throws not-found. */
  async forget(guid: string, by: string): Promise<void> {
    const { database, events } = this.#services
    await database.commit(async (tx) => {
      if ((await store.forget.run(tx, { guid })) === 0) notFound(guid)
      await this.#tell(tx, 'registration-forgotten', guid, by)
    })
    events.registrationForgotten({ guid, by })
  }

  /** The alarms of a device have been looked into. Throws not-found. */
  async dismissAlarms(guid: string, by: string): Promise<void> {
    await this.#services.database.commit(async (tx) => {
      const dismissed = await dismiss.run(tx, { guid })
      if (dismissed === 0) throw new Problem('not-found', `there is no alarm of ${guid}`)
      await this.#tell(tx, 'rendezvous-alarms-dismissed', guid, by)
    })
  }

  /** By whoever holds the owner's key. Throws a Problem, or an FdoError for no request at all. */
  async withdrawOwn(encoded: Bytes): Promise<void> {
    const { database, events } = this.#services
    const { guid, key, at } = await this.#authentic(encoded, WITHDRAW)
    const by = toHex(fingerprint(key))
    await database.commit(async (tx) => {
      const row = await this.#ownedBy(tx, guid, key)
      if (at <= (row.withdrawal ?? 0)) throw new Problem('conflict', 'this request was used before')
      if (at * 1000 < row.run_order) {
        throw new Problem('conflict', 'older than the registration: sign a new request')
      }
      await this.#end(tx, row, at)
      await this.#tell(tx, 'registration-withdrawn', guid, `key ${by}`)
    })
    events.registrationWithdrawn({ guid, by })
  }

  /** For an owner of this installation, in the transaction that ends its ownership. */
  async withdrawOf(
    tx: Executor,
    { guid, ownerKey }: { readonly guid: string; readonly ownerKey: string },
  ): Promise<void> {
    const row = await store.findAny.first(tx, { guid })
    if (!row?.to1d || toHex(row.owner_key) !== ownerKey) return
    await this.#end(tx, row, row.withdrawal)
  }

  /** As withdrawOwn, and changes nothing. */
  async findOwn(encoded: Bytes): Promise<RegistrationRow> {
    const { guid, key } = await this.#authentic(encoded, LOOK_UP)
    return this.#ownedBy(this.#services.database.db, guid, key)
  }

  /** A request that is signed, fresh and meant for us; whose registration it is, is another matter. */
  async #authentic(encoded: Bytes, purpose: string) {
    const { clock, urls } = this.#services
    const request = parseOwnRequest(encoded)
    if (request.purpose !== purpose) {
      throw new Problem('invalid-request', `signed for something else: ${request.purpose}`)
    }
    const known = urls().filter((url) => url !== '')
    if (!isMeantFor(request.audience, known)) {
      throw new Problem('invalid-request', `signed for another rendezvous than ${known.join()}`)
    }
    if (Math.abs(clock.now().getTime() - request.at) > FRESH_MS) {
      throw new Problem('conflict', 'not signed just now: look at the clock, sign a new request')
    }
    if (!(await request.isSigned())) {
      throw new Problem('invalid-request', 'not signed with the key it names')
    }
    return { ...request, guid: toHex(request.guid) }
  }

  /** What others own, has lapsed, or never was looks alike. */
  async #ownedBy(executor: Executor, guid: string, key: Bytes): Promise<RegistrationRow> {
    const row = await store.findAny.first(executor, { guid })
    if (!row || !this.isLive(row) || !equalBytes(row.owner_key, fingerprint(key))) notFound(guid)
    return row
  }

  /** In the log of whoever runs the rendezvous. */
  async #tell(tx: Executor, type: EntryType, guid: string, by: string): Promise<void> {
    await this.#services.audit.append(tx, { party: HOME_PARTY, type, by, subject: { guid } })
  }

  /** Nothing that began before brings it back. */
  async #end(
    tx: Executor,
    { guid, run_order: before }: Pick<RegistrationRow, 'guid' | 'run_order'>,
    withdrawal: number | null,
  ): Promise<void> {
    const { runs, clock } = this.#services
    const run_order = Math.max(before, runs.next(clock.now()))
    await store.withdraw.run(tx, { guid, run_order, withdrawal })
  }
}

function isLive({ expires_at }: Pick<RegistrationRow, 'expires_at'>, now: string): boolean {
  return expires_at !== null && expires_at > now
}

function fingerprint(spki: Bytes): Bytes {
  return hash('sha256', spki, 'buffer')
}

function notFound(guid: string): never {
  throw new Problem('not-found', `there is no registration of ${guid}`)
}
