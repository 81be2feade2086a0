/** One of the places in a crew: a process is in it, or about to be. */
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Hand } from './hand.ts'
import { type Reached, mayPass } from './messages.ts'

export interface PlaceServices {
  readonly fork: () => Hand
  readonly clock: Clock
  readonly log: Log
  /** Called each time a process that should replace another does not start. */
  readonly lost: (error: Error) => void
  /** When it comes nobody is replaced any more. */
  readonly signal: AbortSignal
}

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000
/** Nobody waits for it: as long as it may drain, but for a second. */
const UNHURRIED_MS = 9_000
/** Who has lived that long did not die of its start. */
const LIVED_MS = 60_000

export class Place {
  readonly #services: PlaceServices
  #hand: Hand | undefined
  #readyAt = 0
  /** One after the other, since the last that lived. */
  #deaths = 0
  #relief: Promise<void> | undefined
  #isKept = false

  constructor(services: PlaceServices) {
    this.#services = services
  }

  /** Whether a process is in it that has been ready. */
  get isFilled(): boolean {
    return this.#hand !== undefined
  }

  async fill(): Promise<Reached> {
    const hand = this.#services.fork()
    const reached = await hand.ready
    this.#hand = hand
    this.#readyAt = this.#now()
    return reached
  }

  /** Resolves when nobody is to be in it any more. */
  async keep(): Promise<void> {
    this.#isKept = true
    await this.#keep()
    this.#isKept = false
  }

  /** Another takes over, and then who was there ends. Throws where the other does not start. */
  async relieve(): Promise<void> {
    const old = this.#hand
    // Somebody is on the way, who is new as well.
    if (!old && this.#isKept) return
    this.#relief = this.fill().then(() => {})
    try {
      await this.#relief
    } finally {
      this.#relief = undefined
    }
    if (!this.#isKept) void this.keep()
    await old?.stop(UNHURRIED_MS, false)
  }

  async #keep(): Promise<void> {
    const { log, signal } = this.#services
    for (let hand = this.#hand; hand; hand = this.#hand) {
      const how = await hand.gone
      await this.#relief?.catch(() => {})
      if (signal.aborted) return
      if (this.#hand !== hand) continue
      this.#hand = undefined
      log.error({ pid: hand.pid, how }, 'a process of the service has died, and is replaced')
      this.#deaths = this.#now() - this.#readyAt < LIVED_MS ? this.#deaths + 1 : 0
      await this.#refill()
    }
  }

  /** Until one starts: what will not pass by waiting is not tried again. */
  async #refill(): Promise<void> {
    const { clock, log, lost, signal } = this.#services
    while (!signal.aborted) {
      // Rejects when the signal comes: nothing is wrong then.
      await clock.sleep(this.#pauseMs(), signal).catch(() => {})
      if (signal.aborted) return
      try {
        await this.fill()
        return
      } catch (error) {
        if (signal.aborted) return
        this.#deaths++
        log.error({ err: error }, 'a process of the service does not start')
        lost(error as Error)
        if (!mayPass(error)) return
      }
    }
  }

  #pauseMs(): number {
    if (this.#deaths === 0) return 0
    return Math.min(FIRST_PAUSE_MS * 2 ** (this.#deaths - 1), LONGEST_PAUSE_MS)
  }

  #now(): number {
    return this.#services.clock.now().getTime()
  }
}
