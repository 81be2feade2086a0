/**
 * The story of every run, told once when it ends: a line of the log, a count, and how long it took.
 * Kept in memory, since nothing depends on it: of a run that began before a restart, or on another
 * machine, the end alone is known; of several processes of one service the one in which a run began
 * keeps its story, and is told by the others. A run that nobody ends is told of when its token has expired.
 */
import { toHex } from '../../protocol/bytes.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import type { Counter, Histogram, Sample } from '../measures.ts'
import type { Metrics } from '../metrics.ts'
import { SERVER, type Span, type Tracer } from '../tracing/tracer.ts'
import { type Chapter, type Storytellers, type Told, failureOf, toldOf } from './told.ts'

export interface RunBookServices {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly tracer?: Tracer | undefined
  /** Undefined where this process is the whole service. */
  readonly storytellers?: Storytellers | undefined
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
/** Longer than what another process tells is on its way. */
const SETTLED_MS = 10_000
/** Beyond these the oldest are forgotten: a flood of runs that begin is to cost no more than this. */
const MOST_KEPT = 10_000
const BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800]

export class RunBook {
  readonly #services: RunBookServices
  readonly #stories = new Map<string, Story>()
  /** When each ended of those of late: others may not have known it yet. */
  readonly #ended = new Map<string, number>()
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
    this.#tell({ ...toldOf(chapter, this.#now()), expects })
  }

  /** At `step`, the message that was expected. */
  failed(chapter: Chapter, step: string, error: unknown): void {
    this.#tell({ ...toldOf(chapter, this.#now()), expects: step, failure: failureOf(error) })
  }

  /** Another process has dealt with a message of a run whose story is kept here. */
  hear(told: Told): void {
    // It was overtaken by the end.
    if (!this.#ended.has(told.run)) this.#write(told)
  }

  #tell(told: Told): void {
    const { storytellers } = this.#services
    if (!storytellers || told.run.startsWith(toHex(storytellers.mark))) this.#write(told)
    else storytellers.tell(told)
  }

  #write(told: Told): void {
    const { run, at, expects, failure } = told
    const story = this.#stories.get(run) ?? this.#begin(told)
    story.guid ??= told.guid
    // What others tell may come late.
    if (expects !== null && at >= story.latest) story.expects = expects
    story.latest = Math.max(story.latest, at)
    if (!failure) story.messages++
    if (failure) this.#end(run, story, 'failed', failure)
    else if (expects === null) this.#end(run, story, 'done')
  }

  /** From time to time: tells of those that have been left. */
  sweep(): void {
    const before = this.#now() - IDLE_MS
    for (const [name, story] of this.#stories) {
      if (story.latest < before) this.#end(name, story, 'abandoned')
    }
    const settled = this.#now() - SETTLED_MS
    for (const [name, at] of this.#ended) if (at < settled) this.#ended.delete(name)
  }

  #begin({ run, startedAt, protocol, source, traceparent, at: now }: Told): Story {
    // Whole seconds are known of a run that began elsewhere: more than it lasted would be wrong.
    const began = Math.min(now, Math.max(startedAt * 1000, now - IDLE_MS))
    const at = now - began < 1000 ? now : began
    const about = { name: `fdo.${protocol}`, kind: SERVER, traceparent, at } as const
    const story: Story = {
      ...{ protocol, source, guid: undefined, messages: 0, expects: '' },
      ...{ began: at, latest: now, span: this.#services.tracer?.begin(about) },
    }
    this.#stories.set(run, story)
    this.#spoken.add(protocol)
    if (this.#stories.size > MOST_KEPT)
      this.#stories.delete(this.#stories.keys().next().value ?? '')
    return story
  }

  #end(name: string, story: Story, outcome: Outcome, failure: Told['failure'] = {}): void {
    this.#stories.delete(name)
    if (this.#services.storytellers && this.#ended.size < MOST_KEPT) {
      this.#ended.set(name, this.#now())
    }
    const { protocol, guid, messages, began, latest, source, expects, span } = story
    const step = outcome === 'done' ? '' : expects
    const ms = latest - began
    this.#counts.add(protocol, outcome, step)
    const { code, reason } = failure
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
