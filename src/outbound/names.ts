/**
 * What names stand for. Resolving takes one of Node's few threads for as long as a slow name server
 * likes, and names are chosen by others: so nobody waits longer than a moment, nobody holds more
 * than one thread, and names that have been found before never wait for those that have not.
 *
 * An address is asked for anew each time it is needed: only what was not found is remembered.
 */
import { lookup } from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'
import { type Clock, realClock } from '../clock.ts'
import { OutboundFailure } from './failure.ts'

export interface NameServices {
  readonly clock: Clock
  readonly resolve: (name: string) => Promise<LookupAddress[]>
}

const THREADS = 2
/** Waiting for a thread included. What holds a thread goes on, since it cannot be broken off. */
const DEADLINE_MS = 5_000
/** So long a name that was not found is not looked for again. */
const KEEP_FAILURE_MS = 5_000
const DISTRUST_MS = 10 * 60_000
const MOST_REMEMBERED = 1_000

interface Waiting {
  readonly name: string
  begun(underWay: Promise<LookupAddress[]>): void
}

interface Failure {
  readonly error: Error
  readonly until: number
}

export class Names {
  readonly #services: NameServices
  readonly #underWay = new Map<string, Promise<LookupAddress[]>>()
  /** For whom threads are held, and whether for a name found before. */
  readonly #holders = new Map<string, { readonly isKnown: boolean }>()
  /** By whom they wait for, in turn. */
  readonly #waiting = new Map<string, Waiting[]>()
  readonly #failed = new Map<string, Failure>()
  /** Found when last looked for. */
  readonly #known = new Map<string, true>()
  /** Held a thread for long; until when it is not taken for known, even if it is found. */
  readonly #slow = new Map<string, number>()

  constructor(services: Partial<NameServices> = {}) {
    const resolve = (name: string) => lookup(name, { all: true })
    this.#services = { clock: realClock, resolve, ...services }
  }

  /**
   * All addresses of a name. `party` is for whom: those of one party wait for each other, and where
   * none is named those of one site. Throws what the system says, or an OutboundFailure.
   */
  async lookup(name: string, party?: string): Promise<LookupAddress[]> {
    const failure = this.#failed.get(name)
    if (failure && failure.until > this.#now()) throw failure.error
    return this.#underWay.has(name)
      ? this.#before(name, this.#underWay.get(name) ?? Promise.resolve([]))
      : this.#inTurn(name, party ?? siteOf(name))
  }

  #now(): number {
    return this.#services.clock.now().getTime()
  }

  async #inTurn(name: string, holder: string): Promise<LookupAddress[]> {
    let begun: Waiting['begun'] = () => {}
    const found = new Promise<LookupAddress[]>((resolve) => (begun = resolve))
    const waiting = { name, begun }
    this.#waiting.set(holder, [...(this.#waiting.get(holder) ?? []), waiting])
    this.#next()
    try {
      return await this.#before(name, found)
    } finally {
      this.#leave(holder, waiting)
    }
  }

  /** Begins whatever may begin now. */
  #next(): void {
    for (const [holder, [first]] of [...this.#waiting]) {
      if (this.#holders.size >= THREADS) return
      if (!first || this.#holders.has(holder)) continue
      const isKnown = this.#isKnown(first.name)
      // One thread is for names that have been found before.
      const strangers = [...this.#holders.values()].filter((one) => !one.isKnown)
      if (!isKnown && strangers.length >= THREADS - 1) continue
      this.#holders.set(holder, { isKnown })
      this.#begin(first.name, holder)
    }
  }

  #isKnown(name: string): boolean {
    return this.#known.has(name) && (this.#slow.get(name) ?? 0) <= this.#now()
  }

  /** Whoever had a turn lets all others have theirs. */
  #toTheEnd(holder: string): void {
    const rest = this.#waiting.get(holder)
    if (!rest) return
    this.#waiting.delete(holder)
    this.#waiting.set(holder, rest)
  }

  #leave(holder: string, waiting: Waiting): void {
    const rest = this.#waiting.get(holder)?.filter((one) => one !== waiting) ?? []
    if (rest.length > 0) this.#waiting.set(holder, rest)
    else this.#waiting.delete(holder)
  }

  /** The look-up itself, for all who wait for this name. */
  #begin(name: string, holder: string): void {
    const underWay = this.#resolve(name).finally(() => {
      this.#underWay.delete(name)
      this.#holders.delete(holder)
      this.#toTheEnd(holder)
      this.#next()
    })
    this.#underWay.set(name, underWay)
    for (const [other, queue] of [...this.#waiting]) {
      for (const waiting of queue.filter((one) => one.name === name)) {
        this.#leave(other, waiting)
        waiting.begun(underWay)
      }
    }
  }

  async #resolve(name: string): Promise<LookupAddress[]> {
    try {
      const found = await this.#services.resolve(name)
      this.#failed.delete(name)
      remember(this.#known, name, true)
      return found
    } catch (error) {
      this.#fail(name, error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  #fail(name: string, error: Error): void {
    this.#known.delete(name)
    remember(this.#failed, name, { error, until: this.#now() + KEEP_FAILURE_MS })
  }

  /** Throws after the deadline, and lets nobody else wait for the same name for a moment. */
  async #before(name: string, found: Promise<LookupAddress[]>): Promise<LookupAddress[]> {
    const ended = new AbortController()
    const late = this.#services.clock.sleep(DEADLINE_MS, ended.signal).then(
      () => {
        const failure = new OutboundFailure('timed-out', `${name}: not resolved in time`)
        // Else it has only waited for others.
        if (this.#underWay.has(name)) {
          remember(this.#slow, name, this.#now() + DISTRUST_MS)
          this.#fail(name, failure)
        }
        throw failure
      },
      // The look-up was faster.
      () => [],
    )
    try {
      return await Promise.race([found, late])
    } finally {
      ended.abort()
    }
  }
}

/** The one remembered first is forgotten, once there are too many. */
function remember<T>(kept: Map<string, T>, name: string, value: T): void {
  kept.delete(name)
  kept.set(name, value)
  if (kept.size > MOST_REMEMBERED) kept.delete(kept.keys().next().value ?? '')
}

/** Names below one that are easily made up belong together. */
function siteOf(name: string): string {
  return name.toLowerCase().split('.').filter(Boolean).slice(-2).join('.')
}
