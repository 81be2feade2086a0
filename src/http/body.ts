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
  readonly #slowestMs: number
  #length = 0
  #hasEnded = false

  constructor(c: Context<AppEnv>, most: number, slowestMs = SLOWEST_PART_MS) {
    const incoming = c.env?.incoming as IncomingMessage | undefined
    if (incoming) giveTime(incoming)
    this.#source = partsOf(incoming ?? c.req.raw.body ?? [])
    this.#most = most
    this.#slowestMs = slowestMs
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
    try {
      for (let length = 0; length < MOST_DISCARDED_BYTES;) {
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
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(tooSlow(this.#slowestMs)), this.#slowestMs)
    })
    try {
      const { value, done } = await Promise.race([this.#source.next(), late])
      this.#hasEnded = done ?? false
      return done ? undefined : value
    } catch (error) {
      this.#hasEnded = true
      throw isBrokenOff(error) ? brokenOff() : error
    } finally {
      clearTimeout(timer)
    }
  }
}

const SLOWEST_PART_MS = 30_000

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

function tooSlow(ms: number): Problem {
  const detail = `nothing came for ${Math.ceil(ms / 1000)} s: send it again`
  return new Problem('too-slow', detail, { headers: { connection: 'close' } })
}
