/** Wakes one who waits: when called, or at the time that was set. One timer serves many waits. */
import type { Clock } from './clock.ts'

const LONGEST_MS = 3_600_000

export class Alarm {
  readonly #clock: Clock
  readonly #stopped: AbortSignal
  #setFor = Infinity
  #called = false
  #resume = (): void => {}

  /** Once `stopped`, nobody waits any longer. */
  constructor(clock: Clock, stopped: AbortSignal) {
    this.#clock = clock
    this.#stopped = stopped
    stopped.addEventListener('abort', this.#end, { once: true })
  }

  readonly #end = (): void => this.call()

  /** Nobody waits any more: the signal, which may outlive it, lets it go. */
  end(): void {
    this.#stopped.removeEventListener('abort', this.#end)
  }

  /** Since listen(). */
  get isCalled(): boolean {
    return this.#called
  }

  get isSet(): boolean {
    return this.#setFor !== Infinity
  }

  /** Rings then, or before: not later than in an hour. */
  set(time: Date): void {
    const now = this.#clock.now().getTime()
    const at = Math.min(time.getTime(), now + LONGEST_MS)
    if (this.#setFor <= at) return
    this.#setFor = at
    const ring = (): void => {
      if (this.#setFor === at) this.#setFor = Infinity
      this.call()
    }
    // Rejects when it is stopped: nothing is wrong then.
    this.#clock.sleep(Math.max(0, at - now), this.#stopped).then(ring, ring)
  }

  call(): void {
    this.#called = true
    this.#resume()
  }

  /** Calls from here on count: who is called while looking around has not waited in vain. */
  listen(): void {
    this.#called = this.#stopped.aborted
  }

  async wait(): Promise<void> {
    if (this.#called) return
    await new Promise<void>((resolve) => (this.#resume = resolve))
  }
}
