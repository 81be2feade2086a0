/**
 * Of several processes on one database, which does what need not be done twice. A kind of work has
 * one holder, who says every two seconds that he lives; whoever looks when he has been silent for six
 * takes it over. What is done under a lease must bear to be done twice all the same: a holder may be
 * cut off and not know, and clocks differ.
 */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Log } from '../log.ts'
import * as store from './store.ts'

export interface LeasesServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
}

/** Whether this process is to do the work, at this moment. */
export interface Lease {
  readonly isHeld: boolean
  /** Called each time it has become ours. */
  onTaken(listener: () => void): void
}

const LEASE_MS = 6_000
const RENEW_MS = 2_000
/** So much before its end the holder counts it as over: others' clocks may be ahead. */
const MARGIN_MS = 1_000

export class Leases {
  readonly #services: LeasesServices
  readonly #holder = randomUUID()
  /** By name: until when it is ours. */
  readonly #held = new Map<string, number>()
  readonly #listeners: { readonly name: string; readonly listener: () => void }[] = []
  readonly #stopped = new AbortController()
  #running: Promise<void> | undefined

  constructor(services: LeasesServices) {
    this.#services = services
  }

  /** Of this kind of work; to be asked each time some of it is begun. */
  of(name: string): Lease {
    if (!this.#held.has(name)) this.#held.set(name, 0)
    const isHeld = () => this.#services.clock.now().getTime() < (this.#held.get(name) ?? 0)
    return {
      get isHeld() {
        return isHeld()
      },
      onTaken: (listener) => void this.#listeners.push({ name, listener }),
    }
  }

  /** Resolves when it has been asked for each of them once; goes on until `stop`. */
  async start(): Promise<void> {
    await this.#renew()
    this.#running = this.#keep()
  }

  /** Others need not wait: to be called when nothing is done any more. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
    for (const name of this.#held.keys()) this.#held.set(name, 0)
    try {
      await store.giveUp.run(this.#services.database.db, { holder: this.#holder })
    } catch (err) {
      this.#services.log.warn({ err }, 'others will wait until our leases have lapsed')
    }
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopped
    while (!signal.aborted) {
      // Rejects when the signal comes: nothing is wrong then.
      await this.#services.clock.sleep(RENEW_MS, signal).catch(() => {})
      if (!signal.aborted) await this.#renew()
    }
  }

  async #renew(): Promise<void> {
    for (const name of this.#held.keys()) {
      try {
        await this.#take(name)
      } catch (err) {
        // What is held runs out by itself.
        this.#services.log.warn({ err, lease: name }, 'a lease was not renewed')
      }
    }
  }

  async #take(name: string): Promise<void> {
    const { database, clock } = this.#services
    const asked = clock.now()
    const until = new Date(asked.getTime() + LEASE_MS).toISOString()
    const lease = { name, holder: this.#holder, until, now: asked.toISOString() }
    const isOurs = (await store.take.run(database.db, lease)) === 1
    const wasOurs = asked.getTime() < (this.#held.get(name) ?? 0)
    this.#held.set(name, isOurs ? asked.getTime() + LEASE_MS - MARGIN_MS : 0)
    if (!isOurs || wasOurs) return
    for (const one of this.#listeners) if (one.name === name) one.listener()
  }
}
