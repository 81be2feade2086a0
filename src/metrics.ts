/**
 * What Prometheus reads. Numbers are kept by whoever counts (measures.ts); the library that tells of
 * the process and of Node is not loaded before somebody asks: it would delay every start.
 */
import type { Registry } from 'prom-client'
import { Counter, Histogram, type Sample, sampleLine } from './measures.ts'

interface Described {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

/** Read whenever it is asked for. */
export interface Watched extends Described {
  /** A counter's numbers only grow. */
  readonly type: 'counter' | 'gauge'
  readonly samples: () => Iterable<Sample> | Promise<Iterable<Sample>>
}

interface Timed extends Described {
  readonly histogram: Histogram
}

export class Metrics {
  readonly #watched: Watched[] = []
  readonly #timed: Timed[] = []
  readonly #events = new Counter()
  #registry: Promise<Registry> | undefined

  constructor() {
    const labels = ['event']
    const help = 'Business events, by name'
    this.#count({ name: 'firstlight_events_total', help, labels }, this.#events)
  }

  countEvent(event: string): void {
    this.#events.add(event)
  }

  counter(name: string, help: string, ...labels: readonly string[]): Counter {
    const counter = new Counter()
    this.#count({ name, help, labels }, counter)
    return counter
  }

  histogram(
    name: string,
    help: string,
    {
      labels = [],
      bounds,
    }: { readonly labels?: readonly string[]; readonly bounds: readonly number[] },
  ): Histogram {
    const histogram = new Histogram(bounds)
    this.#timed.push({ name, help, labels, histogram })
    return histogram
  }

  /** What cannot be read is left out, and the rest told all the same. */
  watch(watched: Watched): void {
    this.#watched.push(watched)
  }

  async text(): Promise<string> {
    this.#registry ??= registryOfNode()
    const lines: string[] = []
    for (const watched of this.#watched) lines.push(...(await linesOf(watched)))
    for (const { name, help, labels, histogram } of this.#timed) {
      lines.push(...headOf(name, help, 'histogram'), ...histogram.lines(name, labels))
    }
    return `${lines.join('\n')}\n${await (await this.#registry).metrics()}`
  }

  #count(described: Described, counter: Counter): void {
    this.watch({ ...described, type: 'counter', samples: () => counter.samples() })
  }
}

async function linesOf({ name, help, type, labels, samples }: Watched): Promise<readonly string[]> {
  try {
    const lines = Array.from(await samples(), (sample) => sampleLine(name, labels, sample))
    return [...headOf(name, help, type), ...lines]
  } catch {
    // A database that does not answer, say: what is missing is seen to be missing.
    return []
  }
}

function headOf(name: string, help: string, type: string): readonly string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`]
}

async function registryOfNode(): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
