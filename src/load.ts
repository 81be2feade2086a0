/**
 * Whether this process keeps up with what it is asked for. When it does not, nothing new may begin, so
 * that what has begun comes to its end: a device that is half-way through has cost us most already.
 *
 * Six signs: the event loop is late again and again, with no moment between at which it has caught up,
 * and by what it has to do itself: with little of that, it is others on the machine who make it late;
 * or messages wait for their turn (fdo/pace.ts) for too long, or take too long once it has come, be it
 * for the database, the disk or an HSM: both become longer the slower these are;
 * or so much has begun and not been answered that slower resources (signatures, the disk) are behind;
 * or so many messages are under way that those which go on would be too many;
 * or so many wait for a connection to the database that some would wait for too long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { RetryAfter } from './retry-after.ts'

const SAMPLE_MS = 50
/** As late as that, several times running: everybody waits as long for everything. */
const LATE_MS = 150
const LATE_SAMPLES = 4
/** At work for less of a sample than that, it has no more to do than it can. */
const BUSY = 0.5
/** No later than that, once: what was waiting has been done. */
const CAUGHT_UP_MS = 40
/** Fewer than may wait for a first half of Diffie-Hellman: they would be refused there. */
const MOST_BEGUN = 120
/** Some ten to each connection: they are through in a fraction of the time after which they give up. */
const MOST_WAITING = 100
/** A quarter of what makes messages that go on be put off as well. */
const MOST_UNDER_WAY = 250
/** At that an onboarding takes some five seconds longer than without a wait. */
const MOST_WAITED_MS = 300
/** Well before a statement gives up that waits for a connection or a lock. */
const MOST_TAKEN_MS = 1_000

export interface LoadSigns {
  /** How many may have begun and not been answered. */
  readonly mostBegun?: number
  /** How many wait for the database. */
  readonly waiting?: () => number
  /** How many FDO messages are dealt with, or wait for that. */
  readonly underWay?: () => number
  /** How long the one has waited that is next. */
  readonly waitedMs?: () => number
  /** How long some have been dealt with that are not answered yet. */
  readonly takenMs?: () => number
}

const none = () => 0

export class Load {
  readonly #signs: Required<LoadSigns>
  readonly #retryAfter = new RetryAfter()
  readonly #turnedAway = new Map<string, number>()
  #begun = 0
  #lateSamples = 0
  #behind = false

  constructor(signs: LoadSigns = {}) {
    const quiet = { waiting: none, underWay: none, waitedMs: none, takenMs: none }
    this.#signs = { mostBegun: MOST_BEGUN, ...quiet, ...signs }
  }

  /** The event loop cannot keep up. */
  get isBehind(): boolean {
    return this.#behind
  }

  /** How many were turned away, by what they wanted. */
  get turnedAway(): ReadonlyMap<string, number> {
    return this.#turnedAway
  }

  /** Whether something new may begin now. */
  get mayBegin(): boolean {
    const { mostBegun, waiting, underWay, waitedMs, takenMs } = this.#signs
    if (this.#behind || this.#begun >= mostBegun) return false
    if (underWay() >= MOST_UNDER_WAY || waiting() >= MOST_WAITING) return false
    return waitedMs() < MOST_WAITED_MS && takenMs() < MOST_TAKEN_MS
  }

  /** The same, and it has begun; if so, `end` must follow. */
  begin(): boolean {
    if (!this.mayBegin) return false
    this.#begun++
    return true
  }

  end(): void {
    this.#begun--
  }

  /** Notes that someone was turned away; gives the seconds to tell them. */
  turnAway(what: string): number {
    this.#turnedAway.set(what, (this.#turnedAway.get(what) ?? 0) + 1)
    return this.#retryAfter.tell()
  }

  /** Looks at the event loop until the signal comes. */
  async watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const due = performance.now() + SAMPLE_MS
      const before = performance.eventLoopUtilization()
      // Rejects when the signal comes: nothing is wrong then.
      await sleep(SAMPLE_MS, undefined, { signal, ref: false }).catch(() => {})
      const { utilization } = performance.eventLoopUtilization(before)
      this.note(performance.now() - due, utilization)
    }
  }

  /** How late the event loop was by the latest sample, and for which part of it it was at work. */
  note(measuredMs: number, utilization = 1): void {
    const lateMs = utilization < BUSY ? 0 : measuredMs
    this.#lateSamples = lateMs > LATE_MS ? this.#lateSamples + 1 : 0
    if (this.#lateSamples >= LATE_SAMPLES) this.#behind = true
    else if (lateMs <= CAUGHT_UP_MS) this.#behind = false
  }
}
