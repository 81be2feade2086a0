/**
 * The processes of one service. The first makes what is made once and finds out what is wrong; the
 * others join it. One that dies is replaced, at once and then ever more rarely. Where the last has
 * died and no other starts, the service has ended.
 */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { GENTLE_MS } from './gentle.ts'
import type { Hand } from './hand.ts'
import type { Reached } from './messages.ts'
import { Place } from './place.ts'
import { Switchboard } from './switchboard.ts'

export interface CrewServices {
  readonly fork: () => Hand
  readonly clock: Clock
  readonly log: Log
}

export class Crew {
  readonly #services: CrewServices
  readonly #hands = new Set<Hand>()
  readonly #places: readonly Place[]
  readonly #switchboard: Switchboard
  readonly #stopped = new AbortController()
  /** Rejects when nobody is left, with the reason. */
  readonly ended: Promise<never>
  #end: (error: Error) => void = () => {}

  constructor(count: number, services: CrewServices) {
    this.#services = services
    this.#switchboard = new Switchboard(services.clock)
    this.ended = new Promise((_, reject) => (this.#end = reject))
    this.ended.catch(() => {})
    const { signal } = this.#stopped
    const fork = () => this.#fork()
    const lost = (error: Error) => this.#lost(error)
    this.#places = Array.from(
      { length: count },
      () => new Place({ ...services, fork, lost, signal }),
    )
  }

  /** Resolves when all are ready. Throws what kept one of them from starting. */
  async start(): Promise<Reached> {
    const [first, ...others] = this.#places
    if (!first) throw new Error('a service has one process at least')
    try {
      const reached = await first.fill()
      if (!this.#stopped.signal.aborted) await Promise.all(others.map((one) => one.fill()))
      for (const place of this.#places) void place.keep()
      return reached
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Takes up what has changed in the files of the listener's certificate. */
  reload(): void {
    for (const hand of this.#hands) hand.tell({ kind: 'reload' })
  }

  /** Puts a new process in the place of each, one after the other: none is stopped before. */
  async relieve(): Promise<void> {
    const { log } = this.#services
    for (const place of this.#places) {
      if (this.#stopped.signal.aborted) return
      try {
        await place.relieve()
      } catch (err) {
        log.error({ err }, 'a new process does not start: those that are there go on')
        return
      }
    }
    log.info({ processes: this.#places.length }, 'every process has been replaced')
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(Array.from(this.#hands, (hand) => hand.stop(GENTLE_MS, true)))
  }

  #fork(): Hand {
    const hand = this.#services.fork()
    this.#hands.add(hand)
    this.#switchboard.join(hand)
    void hand.gone.then(() => this.#hands.delete(hand))
    return hand
  }

  /** One does not start: whether the others can do without. */
  #lost(error: Error): void {
    if (!this.#places.some((place) => place.isFilled)) this.#end(error)
  }
}
