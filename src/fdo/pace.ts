/**
 * So many messages are dealt with, then the event loop turns, and the others go on after that. A connection
 * is taken in only when the loop turns, and one at each turn, however many there are: devices that come all
 * at once would hear nothing for minutes while those are answered who came first. Timers, too, run only then.
 */

/** Enough for the commits of one turn to go together. */
const MOST_IN_A_TURN = 16
/** Turns in a row left to those who come: taking them in, and turning them away, costs a fraction of a message. */
const MOST_FOR_NEWCOMERS = 32

interface Waiting {
  readonly since: number
  readonly goOn: () => void
}

export class Pace {
  readonly #now: () => number
  readonly #waiting: Waiting[] = []
  #isTurning = false
  #taken = 0
  #hasNewcomers = false
  #leftToNewcomers = 0

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
    if (!this.#isTurning) this.#turnOver()
    const isRoom = this.#taken < MOST_IN_A_TURN && this.#waiting.length === 0
    if (isRoom && !this.#hasNewcomers) {
      this.#taken++
      return undefined
    }
    return new Promise((goOn) => this.#waiting.push({ since: this.#now(), goOn }))
  }

  #turnOver(): void {
    this.#isTurning = true
    setImmediate(() => this.#turned())
  }

  #turned(): void {
    const isForNewcomers = this.#hasNewcomers && this.#leftToNewcomers < MOST_FOR_NEWCOMERS
    this.#leftToNewcomers = isForNewcomers ? this.#leftToNewcomers + 1 : 0
    this.#hasNewcomers = false
    this.#isTurning = false
    this.#taken = 0
    if (this.#waiting.length === 0) return
    this.#turnOver()
    if (!isForNewcomers) this.#goOn()
  }

  #goOn(): void {
    const next = this.#waiting.shift()
    if (!next) return
    this.#taken++
    next.goOn()
    // When it has come as far as it can for now.
    if (this.#taken < MOST_IN_A_TURN) queueMicrotask(() => process.nextTick(() => this.#goOn()))
  }
}
