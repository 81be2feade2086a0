/**
 * The story of every run, told once when it ends: a line of the log, a count, and how long it took.
 * Kept in memory, since nothing depends on it: of a run that began before a restart, or elsewhere, the
 * end alone is known. A run that nobody ends is told of when its token has expired.
 */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Counter, Histogram, Sample } from '../measures.ts'
import type { Metrics } from '../metrics.ts'
import { SERVER, type Span, type Tracer } from '../tracing/tracer.ts'
import type { Run } from './sealed-session.ts'

export interface RunBookServices {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly tracer?: Tracer | undefined
}

/** What is known of a message once it has been dealt with. */
export interface Chapter {
  readonly run: Run
  /** `DI`, `TO0`, `TO1`, `TO2`. */
  readonly protocol: string
  /** Where it came from. */
  readonly source: string
  readonly guid: Bytes | undefined
  /** The header that came with it. */
  readonly traceparent?: string | undefined
}

interface Story {
  readonly protocol: string
  readonly began: number
  readonly source: string
  guid: string | undefined
  messages: number
  /** What the run waits for. */
  expects: string
  readonly span: Span | undefined
  latest: number
}

type Outcome = 'done' | 'failed' | 'abandoned'

/** No token lasts longer, and so no run goes on after this. */
const IDLE_MS = 10 * 60_000
/** Beyond these the oldest are forgotten: a flood of runs that begin is to cost no more than this. */
const MOST_KEPT = 10_000
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

export class RunBook {
  readonly #services: RunBookServices
  readonly #stories = new Map<string, Story>()
  readonly #spoken = new Set<string>()
  readonly #counts: Counter
  readonly #seconds: Histogram

  constructor(services: RunBookServices) {
    this.#services = services
    const { metrics } = services
    this.#counts = metrics.counter(
      'firstlight_fdo_runs_total',
      'Protocol runs that ended, by outcome and by the message they ended at',
      ...['protocol', 'outcome', 'step'],
    )
    this.#seconds = metrics.histogram(
      'firstlight_fdo_run_seconds',
      'How long runs took that were done',
      {
        labels: ['protocol'],
        bounds: BOUNDS,
      },
    )
    metrics.watch({
      ...{ name: 'firstlight_fdo_runs_open', help: 'Protocol runs under way', type: 'gauge' },
      labels: ['protocol'],
      samples: () => this.#openRuns(),
    })
  }

  /** `expects` what comes next; null where that was the last message. */
  answered(chapter: Chapter, expects: string | null): void {
    const name = toHex(chapter.run.id)
    const story = this.#stories.get(name) ?? this.#begin(name, chapter)
    story.messages++
    story.guid ??= chapter.guid && toHex(chapter.guid)
    story.latest = this.#now()
    if (expects !== null) story.expects = expects
    else this.#end(name, story, 'done')
  }

  /** At `step`, the message that was expected. */
  failed(chapter: Chapter, step: string, error: unknown): void {
    const name = toHex(chapter.run.id)
    const story = this.#stories.get(name) ?? this.#begin(name, chapter)
    story.guid ??= chapter.guid && toHex(chapter.guid)
    story.expects = step
    story.latest = this.#now()
    this.#end(name, story, 'failed', error)
  }

  /** From time to time: tells of those that have been left. */
  sweep(): void {
    const before = this.#now() - IDLE_MS
    for (const [name, story] of this.#stories) {
      if (story.latest < before) this.#end(name, story, 'abandoned')
    }
  }

  #begin(name: string, { run, protocol, source, traceparent }: Chapter): Story {
    const now = this.#now()
    // Whole seconds are known of a run that began elsewhere: more than it lasted would be wrong.
    const began = Math.min(now, Math.max(run.startedAt * 1000, now - IDLE_MS))
    const at = now - began < 1000 ? now : began
    const about = { name: `fdo.${protocol}`, kind: SERVER, traceparent, at } as const
    const story: Story = {
      ...{ protocol, source, guid: undefined, messages: 0, expects: '' },
      ...{ began: at, latest: now, span: this.#services.tracer?.begin(about) },
    }
    this.#stories.set(name, story)
    this.#spoken.add(protocol)
    if (this.#stories.size > MOST_KEPT)
      this.#stories.delete(this.#stories.keys().next().value ?? '')
    return story
  }

  #end(name: string, story: Story, outcome: Outcome, error?: unknown): void {
    this.#stories.delete(name)
    const { protocol, guid, messages, began, latest, source, expects, span } = story
    const step = outcome === 'done' ? '' : expects
    const ms = latest - began
    this.#counts.add(protocol, outcome, step)
    const { code, reason } = reasonOf(error)
    const said = { 'fdo.guid': guid, 'fdo.messages': messages, 'fdo.outcome': outcome }
    const where = { 'fdo.step': step || undefined, 'fdo.error': code, 'client.address': source }
    span?.end({ ...said, ...where }, outcome === 'done' ? undefined : (reason ?? outcome))
    if (outcome === 'done') this.#seconds.observe(ms / 1000, protocol)
    const facts = { protocol, guid, messages, ms, outcome, source }
    // Anyone may begin runs, and as many as they like.
    const level = outcome === 'abandoned' && messages < 2 ? 'debug' : 'info'
    this.#services.log[level]({ ...facts, ...(step !== '' && { step, code, reason }) }, 'FDO run')
  }

  /** Of each protocol that was ever spoken. */
  #openRuns(): Iterable<Sample> {
    const counts = new Map(Array.from(this.#spoken, (protocol) => [protocol, 0]))
    for (const { protocol } of this.#stories.values()) {
      counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
    }
    return Array.from(counts, ([protocol, count]) => [[protocol], count] as const)
  }

  #now(): number {
    return this.#services.clock.now().getTime()
  }
}

function reasonOf(error: unknown): { readonly code?: string; readonly reason?: string } {
  if (error instanceof FdoError) return { code: error.code, reason: error.message }
  return error instanceof Error ? { reason: error.message } : {}
}
