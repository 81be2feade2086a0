/** What Prometheus reads. Counts are kept as plain numbers and handed over when it asks. */
import { Counter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'

/** A name, and the value of its one label, to a count. */
type Counts = ReadonlyMap<string, number>

export class Metrics {
  readonly #registry = new Registry()
  readonly #events: Counter

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    this.#events = new Counter({
      name: 'firstlight_events_total',
      help: 'Business events, by name',
      labelNames: ['event'],
      registers: [this.#registry],
    })
  }

  countEvent(event: string): void {
    this.#events.inc({ event })
  }

  /** Reads `counts` whenever it is asked for. */
  watch(name: string, help: string, label: string, counts: () => Counts): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        for (const [value, count] of counts()) this.set({ [label]: value }, count)
      },
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  text(): Promise<string> {
    return this.#registry.metrics()
  }
}
