/**
 * Spans of runs, sent to a collector by OTLP over HTTP, as JSON. Not by OpenTelemetry's own packages: those
 * that export need a later Node, and what is needed of them is this one file. Nothing waits for a
 * collector: what it does not take is lost, and said so once a minute.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { TracingSettings } from './settings.ts'
import { type SpanContext, parseTraceparent } from './traceparent.ts'

type Attributes = Readonly<Record<string, string | number | undefined>>

export const SERVER = 2
export const CLIENT = 3

export interface Begun {
  readonly name: string
  readonly kind: typeof SERVER | typeof CLIENT
  /** The header that came with it, where it came from elsewhere. */
  readonly traceparent?: string | undefined
  /** Milliseconds; now, without it. */
  readonly at?: number
}

/** What is under way. */
export interface Span extends SpanContext {
  /** Once. `error` makes it one that failed. */
  end(attributes: Attributes, error?: string): void
}

export interface TracerServices {
  readonly clock: Pick<Clock, 'now'>
  readonly log: Pick<Log, 'warn'>
  readonly settings: TracingSettings
}

const MOST_WAITING = 4_096
const AT_ONCE = 512
const EVERY_MS = 5_000
const PATIENCE_MS = 2_000
const SAID_EVERY_MS = 60_000

export class Tracer {
  readonly #services: TracerServices
  readonly #timer: NodeJS.Timeout
  #ended: object[] = []
  #sending: Promise<void> | undefined
  #saidAt = -Infinity

  constructor(services: TracerServices) {
    this.#services = services
    this.#timer = setInterval(() => void this.flush(), EVERY_MS).unref()
  }

  /** Undefined where whoever began the trace does not record it, or it is not among those that are. */
  begin({ name, kind, traceparent, at = this.#now() }: Begun): Span | undefined {
    const parent = parseTraceparent(traceparent)
    const traceId = parent?.traceId ?? randomBytes(16).toString('hex')
    if (parent ? !parent.isSampled : !this.#isChosen(traceId)) return undefined
    const spanId = randomBytes(8).toString('hex')
    const about = { traceId, spanId, name, kind, startTimeUnixNano: nanos(at) }
    const end = (attributes: Attributes, error?: string) =>
      this.#keep({
        ...about,
        ...(parent && { parentSpanId: parent.spanId }),
        endTimeUnixNano: nanos(this.#now()),
        attributes: listOf(attributes),
        status: error === undefined ? {} : { code: 2, message: error },
      })
    return { traceId, spanId, isSampled: true, end }
  }

  /** Sends what has ended; resolves when that was taken or is lost. */
  flush(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined))
    return this.#sending
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    // What is under way has taken some of it only.
    await this.#sending
    await this.flush()
  }

  #keep(span: object): void {
    if (this.#ended.length >= MOST_WAITING)
      return this.#say('spans come faster than they are taken')
    this.#ended.push(span)
    if (this.#ended.length >= AT_ONCE) void this.flush()
  }

  async #sendAll(): Promise<void> {
    while (this.#ended.length > 0) {
      const spans = this.#ended.splice(0, AT_ONCE)
      try {
        await this.#send(spans)
      } catch (error) {
        return this.#say(error instanceof Error ? error.message : String(error))
      }
    }
  }

  async #send(spans: readonly object[]): Promise<void> {
    const { url, headers, serviceName } = this.#services.settings
    const resource = { attributes: listOf({ 'service.name': serviceName }) }
    const scopeSpans = [{ scope: { name: 'firstlight' }, spans }]
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans }] }),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    await answer.arrayBuffer()
    if (!answer.ok) throw new Error(`status ${answer.status}`)
  }

  #say(reason: string): void {
    const now = this.#now()
    if (now - this.#saidAt < SAID_EVERY_MS) return
    this.#saidAt = now
    this.#services.log.warn({ collector: this.#services.settings.url, reason }, 'traces were lost')
  }

  /** By the id itself: whoever else decides by it decides the same. */
  #isChosen(traceId: string): boolean {
    const { share } = this.#services.settings
    return share >= 1 || Number.parseInt(traceId.slice(0, 8), 16) / 2 ** 32 < share
  }

  #now(): number {
    return this.#services.clock.now().getTime()
  }
}

function nanos(ms: number): string {
  return `${BigInt(Math.round(ms)) * 1_000_000n}`
}

function listOf(attributes: Attributes): object[] {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      key,
      value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
    }))
}
