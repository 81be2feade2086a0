/**
 * Messages are dealt with for a while, then the event loop turns, and what is left goes on after that:
 * a connection is taken in only when the loop turns, and one at each turn, however many there are, so
 * that devices that come all at once would hear nothing for minutes while those are answered who came
 * first. Timers, too, run only then.
 */

/** Long enough for the commits of one turn to go together. */
const SLICE_MS = 10

interface Waiting {
  readonly since: number
  readonly goOn: () => void
}

export class Pace {
  readonly #now: () => number
  readonly #waiting: Waiting[] = []
  #until = 0
  #isTurning = false
  #hasNewcomers = false

  constructor(now = () => performance.now()) {
    this.#now = now
  }

  /** How many messages wait. */
  get length(): number {
    return this.#waiting.length
  }

  /** For how long the one has waited that is next. */
  get waitedMs(): number {
    const [next] = this.#waiting
    return next ? this.#now() - next.since : 0
  }

  /** A connection was taken in: others may wait behind it. */
  newcomer(): void {
    this.#hasNewcomers = true
  }

  /** Resolves when it is a message's turn; undefined where that is now. */
  turn(): Promise<void> | undefined {
    if (!this.#isTurning) this.#begin()
    const isTime = !this.#hasNewcomers && this.#now() < this.#until
    if (isTime && this.#waiting.length === 0) return undefined
    return new Promise((goOn) => this.#waiting.push({ since: this.#now(), goOn }))
  }

  #begin(): void {
    this.#isTurning = true
    this.#until = this.#now() + SLICE_MS
    setImmediate(() => this.#turned())
  }

  #turned(): void {
    const alone = this.#hasNewcomers
    this.#hasNewcomers = false
    this.#isTurning = false
    if (this.#waiting.length === 0) return
    this.#begin()
    this.#goOn(alone)
  }

  #goOn(alone: boolean): void {
    this.#waiting.shift()?.goOn()
    if (alone || this.#waiting.length === 0) return
    // When that message has come as far as it can for now.
    queueMicrotask(() =>
      process.nextTick(() => {
        if (this.#now() < this.#until) this.#goOn(alone)
      }),
    )
  }
}
