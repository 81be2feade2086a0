/** Bodies of requests: their types, how long they may be, and those that are read as they come. */
import type { IncomingMessage } from 'node:http'
import type { Context, MiddlewareHandler } from 'hono'
import type { Bytes } from '../../protocol/bytes.ts'
import type { AppEnv } from './authenticate.ts'
import { giveTime } from './body-deadline.ts'
import { Problem } from './problem.ts'

export const JSON_TYPE = 'application/json'
/** Server-sent events. */
export const EVENT_STREAM = 'text/event-stream'
export const MOST_JSON_BYTES = 1 << 20

export function limitTo(most: number): MiddlewareHandler {
  return async (c, next) => {
    const length = c.req.header('content-length')
    if (Number(length ?? 0) > most) throw tooLarge(most)
    if (length === undefined && c.req.header('transfer-encoding') !== undefined) {
      const body = await readAtMost(c.req.raw.body, most)
      // Hono keeps promises here, whatever its types say.
      c.req.bodyCache.arrayBuffer = Promise.resolve(body) as unknown as ArrayBuffer
    }
    await next()
  }
}

/** As `limitTo`, of a body that is read later: its length may not be known yet. */
export function announceAtMost(most: number): MiddlewareHandler {
  return async (c, next) => {
    if (Number(c.req.header('content-length') ?? 0) > most) throw tooLarge(most)
    await next()
  }
}

/** A body that does not say how long it is. */
async function readAtMost(
  body: ReadableStream<Uint8Array> | null,
  most: number,
): Promise<ArrayBuffer> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of body ?? []) {
    length += part.length
    if (length > most) throw tooLarge(most)
    parts.push(part)
  }
  return Uint8Array.from(Buffer.concat(parts)).buffer
}

export function typed(types: readonly string[] | undefined): MiddlewareHandler {
  return async (c, next) => {
    const type = mediaTypeOf(c.req.header('content-type'))
    if (types && !types.includes(type)) {
      throw new Problem('unsupported-media-type', `send one of ${types.join(', ')}`)
    }
    await next()
  }
}

export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType?.split(';')[0] ?? '').trim().toLowerCase()
}

/** What is still read of a body nobody wants any more, so that its sender sees the answer. */
const MOST_DISCARDED_BYTES = 64 << 20

/** A body that is read as it comes: no faster than it is taken, and no longer than it may be. */
export class BodyStream implements AsyncIterable<Bytes> {
  readonly #source: AsyncIterator<Bytes>
  readonly #most: number
  readonly #slowest: SlowestStream
  #length = 0
  #hasEnded = false
  /** Of the window that has begun: how long was waited, and for how much. */
  #waitedMs = 0
  #came = 0

  constructor(c: Context<AppEnv>, most: number, slowest = SLOWEST_STREAM) {
    const incoming = c.env?.incoming as IncomingMessage | undefined
    if (incoming) giveTime(incoming)
    this.#source = partsOf(incoming ?? c.req.raw.body ?? [])
    this.#most = most
    this.#slowest = slowest
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Bytes> {
    for (;;) {
      const part = await this.#next()
      if (!part) return
      this.#length += part.length
      if (this.#length > this.#most) throw tooLarge(this.#most)
      yield part
    }
  }

  /** Reads what is left and drops it; not without end. */
  async discard(): Promise<void> {
    const until = performance.now() + this.#slowest.partMs
    try {
      for (let length = 0; length < MOST_DISCARDED_BYTES && performance.now() < until;) {
        const part = await this.#next()
        if (!part) return
        length += part.length
      }
    } catch {
      // Whoever sends has gone, or is too slow to be waited for.
    }
  }

  async #next(): Promise<Bytes | undefined> {
    if (this.#hasEnded) return undefined
    const { partMs } = this.#slowest
    const began = performance.now()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooSlow(`nothing came for ${seconds(partMs)}`)), partMs)
    })
    try {
      const { value, done } = await Promise.race([this.#source.next(), late])
      this.#hasEnded = done ?? false
      if (done) return undefined
      this.#keepPace(value.length, performance.now() - began)
      return value
    } catch (error) {
      this.#hasEnded = true
      throw isBrokenOff(error) ? brokenOff() : error
    } finally {
      clearTimeout(timer)
    }
  }

  /** Only time that was waited counts, not what is done with the parts in between. */
  #keepPace(length: number, waitedMs: number): void {
    const { windowMs, leastPerSecond } = this.#slowest
    this.#came += length
    this.#waitedMs += waitedMs
    if (this.#waitedMs < windowMs) return
    if (this.#came * 1000 < leastPerSecond * this.#waitedMs) {
      const least = `a body has to come at ${leastPerSecond} bytes a second at least`
      throw tooSlow(`${this.#came} bytes came in ${seconds(this.#waitedMs)}, and ${least}`)
    }
    this.#came = this.#waitedMs = 0
  }
}

/** What a body that is read as it comes may take. */
export interface SlowestStream {
  /** From one part to the next. */
  readonly partMs: number
  /** In each of these, as long as it was waited for, so many bytes a second have to come. */
  readonly windowMs: number
  readonly leastPerSecond: number
}

/** Less than a line of 9,600 bits a second carries. */
const SLOWEST_STREAM: SlowestStream = { partMs: 30_000, windowMs: 60_000, leastPerSecond: 1_000 }

/** One that stays open when its reader stops: the answer goes over the same connection. */
function partsOf(
  body: IncomingMessage | ReadableStream<Uint8Array> | readonly [],
): AsyncIterator<Bytes> {
  if (body instanceof ReadableStream) {
    return body.values({ preventCancel: true })[Symbol.asyncIterator]()
  }
  if ('iterator' in body) return body.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
  return nothing()
}

async function* nothing(): AsyncGenerator<Bytes> {}

function tooLarge(most: number): Problem {
  return new Problem('too-large', `a body here may be ${most} bytes long`)
}

/** By who was sending; of no more weight than any other bad request. */
function isBrokenOff(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNRESET'
}

function brokenOff(): Problem {
  return new Problem('invalid-request', 'the body broke off before its end')
}

function tooSlow(what: string): Problem {
  return new Problem('too-slow', `${what}: send it again`, { headers: { connection: 'close' } })
}

function seconds(ms: number): string {
  return `${Math.ceil(ms / 1000)} s`
}
