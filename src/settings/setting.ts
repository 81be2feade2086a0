/**
 * One document that each party's administrators may change while the service runs: each use sees it
 * as it is then, and it is read again only where some document has changed.
 */
import type { AuditLog } from '../audit/log.ts'
import type { EntryType } from '../audit/types.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Principal } from '../http/authenticate.ts'
import { findSetting, storeSetting } from './store.ts'

export interface SettingServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
}

export interface SettingKind<T> {
  readonly name: string
  /** What a change is called in the party's log. */
  readonly changed: EntryType
  /** From parsed JSON; throws an FdoError that says what is wrong with it. */
  parse(json: unknown): T
  /** What holds while the party has set nothing: JSON. */
  fallback(party: string): unknown
}

export interface Current<T> {
  readonly value: T
  readonly json: unknown
  readonly isDefault: boolean
}

type Actor = Pick<Principal, 'party' | 'id'>

interface Known<T> {
  readonly current: Current<T>
  readonly version: number
  /** See Database.changesOf. */
  readonly readAt: number
}

export class Setting<T> {
  readonly #services: SettingServices
  readonly #kind: SettingKind<T>
  readonly #listeners: ((party: string) => void)[] = []
  readonly #known = new Map<string, Known<T>>()

  constructor(services: SettingServices, kind: SettingKind<T>) {
    this.#services = services
    this.#kind = kind
  }

  async current(party: string): Promise<Current<T>> {
    const { name, parse, fallback } = this.#kind
    const { database } = this.#services
    const readAt = database.changesOf('setting')
    const known = this.#known.get(party)
    if (known?.readAt === readAt) return known.current
    const row = await findSetting.first(database.db, { party, name })
    const version = row?.version ?? 0
    if (known?.version === version) {
      this.#known.set(party, { ...known, readAt })
      return known.current
    }
    const json: unknown = row ? JSON.parse(row.value) : fallback(party)
    const current = { value: parse(json), json, isDefault: !row }
    this.#known.set(party, { current, version, readAt })
    return current
  }

  async value(party: string): Promise<T> {
    return (await this.current(party)).value
  }

  /** Throws an FdoError for what is no such document, and then changes nothing. */
  async replace({ party, id: by }: Actor, json: unknown): Promise<Current<T>> {
    const { database, clock, audit } = this.#services
    const { name, changed: type, parse } = this.#kind
    parse(json)
    const at = clock.now().toISOString()
    const store = async (tx: Executor) => {
      await storeSetting(tx, { party, name }, JSON.stringify(json), at)
      const version = (await findSetting.first(tx, { party, name }))?.version ?? 0
      // Not the document: it may hold what devices alone are to know, and the log is for good.
      await audit.append(tx, { party, type, by, subject: {}, detail: { version } })
    }
    await database.commit(store, { durable: true })
    for (const listener of this.#listeners) listener(party)
    return this.current(party)
  }

  /** Called after each change made here. */
  onChange(listener: (party: string) => void): void {
    this.#listeners.push(listener)
  }
}
