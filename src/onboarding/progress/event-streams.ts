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
const MOST_AT_ONCE = 256
/** No party keeps the others from watching. */
const MOST_OF_ONE_PARTY = 64
const MOST_OF_ONE_CALLER = 8
const RETRY_MS = 2_000

export class EventStreams {
  readonly #clock: Clock
  readonly #open = new Map<EventStream, Principal>()
  #isStopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Ends all streams when the service stops. */
  endWith(stopped: AbortSignal): void {
    const end = () => {
      this.#isStopped = true
      for (const stream of this.#open.keys()) stream.end()
    }
    stopped.addEventListener('abort', end, { once: true })
  }

  /** Throws too-many-requests. */
  open(principal: Principal, look: Look): AsyncIterable<string> {
    if (this.#isFull(principal)) {
      const headers = { 'retry-after': '30' }
      throw new Problem('too-many-requests', 'too many are watching: try again', { headers })
    }
    const stream = new EventStream(this.#clock, look, () => this.#open.delete(stream))
    this.#open.set(stream, principal)
    if (this.#isStopped) stream.end()
    return stream
  }

  #isFull(principal: Principal): boolean {
    const ofParty = [...this.#open.values()].filter(({ party }) => party === principal.party)
    const ofCaller = ofParty.filter((one) => callerOf(one) === callerOf(principal))
    return (
      ofCaller.length >= MOST_OF_ONE_CALLER ||
      ofParty.length >= MOST_OF_ONE_PARTY ||
      this.#open.size >= MOST_AT_ONCE
    )
  }
}

class EventStream implements AsyncIterableIterator<string> {
  readonly #clock: Clock
  readonly #look: Look
  readonly #ended: () => void
  readonly #over = new AbortController()
  readonly #endsAt: number
  #heardAt: number
  #hasBegun = false

  constructor(clock: Clock, look: Look, ended: () => void) {
    this.#clock = clock
    this.#look = look
    this.#ended = ended
    this.#heardAt = clock.now().getTime()
    this.#endsAt = this.#heardAt + LONGEST_MS
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
    this.end()
    return { value: undefined, done: true }
  }

  async return(): Promise<IteratorResult<string, undefined>> {
    this.end()
    return { value: undefined, done: true }
  }

  end(): void {
    if (this.#over.signal.aborted) return
    this.#over.abort()
    this.#ended()
  }
}

function lines({ id, event, data }: StreamEvent): string {
  const named = id === undefined ? '' : `id: ${id}\n`
  return `${named}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}
