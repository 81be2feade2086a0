/**
 * Server-sent events: what has changed since the last look, looked for anew every so often. Nothing is
 * done for it where devices are answered, by whichever process that is.
 */
import type { Clock } from '../../clock.ts'
import { type Principal, callerOf } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'

/** One event. With an id whoever was cut off goes on from there. */
export interface StreamEvent {
  readonly id?: number
  readonly event: string
  readonly data: unknown
}

/** What has happened since it was asked last; the first time, how things are. */
export type Look = () => Promise<readonly StreamEvent[]>

const LOOK_MS = 500
const HEARTBEAT_MS = 15_000
/** Whoever watches longer has to show a token that is still good. */
const LONGEST_MS = 15 * 60_000
const MOST_AT_ONCE = 64
const MOST_OF_ONE_CALLER = 8
const RETRY_MS = 2_000

export class EventStreams {
  readonly #clock: Clock
  readonly #open = new Map<string, number>()
  #stopped: AbortSignal | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends all streams when the service stops. */
  endWith(signal: AbortSignal): void {
    this.#stopped = signal
  }

  /** Throws too-many-requests. */
  open(principal: Principal, look: Look): AsyncIterable<string> {
    const caller = callerOf(principal)
    const ofCaller = this.#open.get(caller) ?? 0
    const all = [...this.#open.values()].reduce((sum, count) => sum + count, 0)
    if (ofCaller >= MOST_OF_ONE_CALLER || all >= MOST_AT_ONCE) {
      const headers = { 'retry-after': '30' }
      throw new Problem('too-many-requests', 'too many are watching: try again', { headers })
    }
    this.#open.set(caller, ofCaller + 1)
    const close = () => {
      const left = (this.#open.get(caller) ?? 1) - 1
      if (left > 0) this.#open.set(caller, left)
      else this.#open.delete(caller)
    }
    return new EventStream(this.#clock, look, { stopped: this.#stopped, close })
  }
}

interface Ending {
  readonly stopped: AbortSignal | undefined
  close(): void
}

class EventStream implements AsyncIterableIterator<string> {
  readonly #clock: Clock
  readonly #look: Look
  readonly #ending: Ending
  readonly #over = new AbortController()
  readonly #endsAt: number
  #heardAt: number
  #hasBegun = false

  constructor(clock: Clock, look: Look, ending: Ending) {
    this.#clock = clock
    this.#look = look
    this.#ending = ending
    this.#heardAt = clock.now().getTime()
    this.#endsAt = this.#heardAt + LONGEST_MS
    ending.stopped?.addEventListener('abort', () => this.#end(), { once: true })
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this
  }

  async next(): Promise<IteratorResult<string, undefined>> {
    while (!this.#over.signal.aborted) {
      const now = this.#clock.now().getTime()
      const text = (await this.#look()).map(lines).join('')
      const isDue = now - this.#heardAt >= HEARTBEAT_MS
      if (text !== '' || isDue || !this.#hasBegun) {
        this.#heardAt = now
        const beginning = this.#hasBegun ? '' : `retry: ${RETRY_MS}\n\n`
        this.#hasBegun = true
        return { value: `${beginning}${text}` || ':\n\n', done: false }
      }
      if (now >= this.#endsAt) break
      // Rejects when it is over: nothing is wrong then.
      await this.#clock.sleep(LOOK_MS, this.#over.signal).catch(() => {})
    }
    this.#end()
    return { value: undefined, done: true }
  }

  async return(): Promise<IteratorResult<string, undefined>> {
    this.#end()
    return { value: undefined, done: true }
  }

  #end(): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#ending.close()
  }
}

function lines({ id, event, data }: StreamEvent): string {
  const named = id === undefined ? '' : `id: ${id}\n`
  return `${named}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
