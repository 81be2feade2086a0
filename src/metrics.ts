/**
 * What Prometheus reads. Counts are kept as plain numbers, and the library that writes them down is
 * not loaded before somebody asks: it would delay every start.
 */
import type { Registry } from 'prom-client'

/** A label's values and their counts. */
type Counts = ReadonlyMap<string, number>

interface Watched {
  readonly help: string
  readonly label: string
  readonly counts: () => Counts
}

export class Metrics {
  readonly #watched = new Map<string, Watched>()
  readonly #events = new Map<string, number>()
  #registry: Promise<Registry> | undefined

  constructor() {
    this.watch('firstlight_events', 'Business events, by name', 'event', () => this.#events)
  }

  countEvent(event: string): void {
    this.#events.set(event, (this.#events.get(event) ?? 0) + 1)
  }

  /** Reads `counts`, which only grow, whenever it is asked for. */
  watch(name: string, help: string, label: string, counts: () => Counts): void {
    this.#watched.set(name, { help, label, counts })
  }

  async text(): Promise<string> {
    this.#registry ??= this.#register()
    return (await this.#registry).metrics()
  }

  async #register(): Promise<Registry> {
    const { Counter, Registry, collectDefaultMetrics } = await import('prom-client')
    const registry = new Registry()
    collectDefaultMetrics({ register: registry })
    for (const [name, { help, label, counts }] of this.#watched) {
      new Counter({
        name: `${name}_total`,
        help,
        labelNames: [label],
        registers: [registry],
        collect() {
          this.reset()
          for (const [value, count] of counts()) this.inc({ [label]: value }, count)
        },
      })
    }
    return registry
  }
}
