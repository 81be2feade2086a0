/**
 * What Prometheus reads. Numbers are kept by whoever counts (measures.ts); the library that tells of
 * the process and of Node is not loaded before somebody asks: it would delay every start.
 */
import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client'
import { type Family, type Together, textOf } from './figures.ts'
import { Counter, Histogram, type Sample, seriesOf } from './measures.ts'

interface Described {
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
}

/** Read whenever it is asked for. */
export interface Watched extends Described {
  /** A counter's numbers only grow. */
  readonly type: 'counter' | 'gauge'
  /** Whichever process looks it up, it finds the same: a gauge of what all have in common. */
  readonly isShared?: boolean
  readonly samples: () => Iterable<Sample> | Promise<Iterable<Sample>>
}

interface Timed extends Described {
  readonly histogram: Histogram
}

/** The other processes of the same service. */
export interface Colleagues {
  /** What all of them have, this one included, and what those had that have ended. */
  figures(): Promise<readonly Family[]>
}

export class Metrics {
  readonly #watched: Watched[] = []
  readonly #timed: Timed[] = []
  readonly #events = new Counter()
  readonly #colleagues: Colleagues | undefined
  #registry: Promise<Registry> | undefined

  constructor(colleagues?: Colleagues) {
    this.#colleagues = colleagues
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

  /** Of the whole service. */
  async text(): Promise<string> {
    const own = this.#colleagues ? await this.#colleagues.figures() : await this.own()
    const families = [...own, ...(await this.#familiesOf(true))]
    return `${families.map(textOf).join('\n')}\n`
  }

  /** What this process has of its own, to be added to what others have. */
  async own(): Promise<readonly Family[]> {
    this.#registry ??= registryOfNode()
    const ofNode = (await (await this.#registry).getMetricsAsJSON()) as OfNode[]
    const timed = this.#timed.map(({ histogram, ...described }) => {
      const series = [...histogram.series(described.name, described.labels)]
      return familyOf(described, 'histogram', series)
    })
    return [...(await this.#familiesOf(false)), ...timed, ...ofNode.map(familyOfNode)]
  }

  async #familiesOf(isShared: boolean): Promise<readonly Family[]> {
    const families = []
    for (const watched of this.#watched) {
      if ((watched.isShared ?? false) === isShared) families.push(...(await read(watched)))
    }
    return families
  }

  #count(described: Described, counter: Counter): void {
    this.watch({ ...described, type: 'counter', samples: () => counter.samples() })
  }
}

async function read({ samples, ...watched }: Watched): Promise<readonly Family[]> {
  const { name, type, labels } = watched
  try {
    const series = Array.from(
      await samples(),
      ([values, value]) => [seriesOf(name, labels, values), value] as const,
    )
    return [familyOf(watched, type, series)]
  } catch {
    // A database that does not answer, say: what is missing is seen to be missing.
    return []
  }
}

function familyOf(
  { name, help }: Pick<Described, 'name' | 'help'>,
  type: string,
  series: Family['series'],
  how: Together = 'sum',
): Family {
  return { name, help, type, together: how, series }
}

/** How the library would have them added up; it says of most of them nothing. */
const OF_NODE: Readonly<Record<string, Together>> = {
  ...{ average: 'max', first: 'max', max: 'max' },
  ...{ min: 'min', omit: 'min' },
}

type OfNode = MetricObjectWithValues<MetricValue<string> & { readonly metricName?: string }>

function familyOfNode({ name, help, type, aggregator, values }: OfNode): Family {
  // Of what has not happened yet there is no average.
  const known = values.filter(({ value }) => Number.isFinite(value))
  const series = known.map(({ metricName = name, labels, value }) => {
    const texts = Object.values<string | number | undefined>(labels).map(String)
    return [seriesOf(metricName, Object.keys(labels), texts), value] as const
  })
  return familyOf({ name, help }, String(type), series, OF_NODE[aggregator ?? 'sum'])
}

async function registryOfNode(): Promise<Registry> {
  const { Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  return registry
}
