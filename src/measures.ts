/**
 * Counters and histograms as plain numbers, cheap enough for every message; written down in the text
 * format of Prometheus when somebody asks.
 */

/** The values of the labels, in their order, and the number. */
export type Sample = readonly [values: readonly string[], value: number]

/** Between two values; in none of them. */
const SEPARATOR = '\u0000'

export class Counter {
  readonly #counts = new Map<string, number>()

  add(...values: readonly string[]): void {
    const name = values.join(SEPARATOR)
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  *samples(): Iterable<Sample> {
    for (const [name, count] of this.#counts) yield [name.split(SEPARATOR), count]
  }
}

interface Buckets {
  /** How many were at most as long as each bound, and longer than the one before; then all others. */
  readonly counts: number[]
  sum: number
}

export class Histogram {
  readonly #bounds: readonly number[]
  readonly #buckets = new Map<string, Buckets>()

  /** Ascending, in seconds. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
  }

  observe(seconds: number, ...values: readonly string[]): void {
    const name = values.length === 1 ? (values[0] ?? '') : values.join(SEPARATOR)
    const buckets = this.#buckets.get(name) ?? this.#open(name)
    let index = 0
    while (index < this.#bounds.length && seconds > (this.#bounds[index] ?? Infinity)) index++
    buckets.counts[index] = (buckets.counts[index] ?? 0) + 1
    buckets.sum += seconds
  }

  /** As Prometheus has them: each bucket with all below it. */
  *series(name: string, labels: readonly string[]): Iterable<readonly [string, number]> {
    for (const [key, { counts, sum }] of this.#buckets) {
      const values = labels.length === 0 ? [] : key.split(SEPARATOR)
      let below = 0
      for (const [index, count] of counts.entries()) {
        below += count
        const bound = this.#bounds[index]
        const le = bound === undefined ? '+Inf' : String(bound)
        yield [seriesOf(`${name}_bucket`, [...labels, 'le'], [...values, le]), below]
      }
      yield [seriesOf(`${name}_sum`, labels, values), sum]
      yield [seriesOf(`${name}_count`, labels, values), below]
    }
  }

  #open(name: string): Buckets {
    const buckets = { counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 }
    this.#buckets.set(name, buckets)
    return buckets
  }
}

/** A name and labels, as they are written. */
export function seriesOf(
  name: string,
  labels: readonly string[],
  values: readonly string[],
): string {
  const pairs = labels.map((label, i) => `${label}="${escaped(values[i] ?? '')}"`)
  return `${name}${pairs.length > 0 ? `{${pairs.join()}}` : ''}`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
