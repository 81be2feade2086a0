/**
 * One document an administrator may change while the service runs: each use sees it as it is then,
 * and it is read again only where some document has changed.
 */
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import { findSetting, storeSetting } from './store.ts'

export interface SettingServices {
  readonly database: Database
  readonly clock: Clock
}

export interface SettingKind<T> {
  readonly name: string
  /** From parsed JSON; throws an FdoError that says what is wrong with it. */
  parse(json: unknown): T
  /** What holds while nobody has set anything: JSON. */
  fallback(): unknown
}

export interface Current<T> {
  readonly value: T
  readonly json: unknown
  readonly isDefault: boolean
}

export class Setting<T> {
  readonly #services: SettingServices
  readonly #kind: SettingKind<T>
  readonly #listeners: (() => void)[] = []
  #known: (Current<T> & { readonly version: number }) | undefined
  #knownAt = -1

  constructor(services: SettingServices, kind: SettingKind<T>) {
    this.#services = services
    this.#kind = kind
  }

  async current(): Promise<Current<T>> {
    const { name, parse, fallback } = this.#kind
    const { database } = this.#services
    const changes = database.changesOf('setting')
    if (this.#known && this.#knownAt === changes) return this.#known
    const row = await findSetting.first(database.db, { name })
    const version = row?.version ?? 0
    if (this.#known?.version !== version) {
      const json: unknown = row ? JSON.parse(row.value) : fallback()
      this.#known = { value: parse(json), json, isDefault: !row, version }
    }
    this.#knownAt = changes
    return this.#known
  }

  async value(): Promise<T> {
    return (await this.current()).value
  }

  /** Throws an FdoError for what is no such document, and then changes nothing. */
  async replace(json: unknown): Promise<Current<T>> {
    const { database, clock } = this.#services
    const { name, parse } = this.#kind
    parse(json)
    const at = clock.now().toISOString()
    await database.commit((tx) => storeSetting(tx, name, JSON.stringify(json), at), {
      durable: true,
    })
    for (const listener of this.#listeners) listener()
    return this.current()
  }

  /** Called after each change made here. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }
}
