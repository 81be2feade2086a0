/** All places elsewhere that there is something to do at; one where nothing is left is let go. */
import { setMaxListeners } from 'node:events'
import { apart } from '../database/alongside.ts'
import { Destination, type DestinationServices, type Errands } from './destination.ts'

export class Destinations<Job> {
  readonly #services: Omit<DestinationServices, 'idle' | 'stopped'>
  readonly #errandsAt: (name: string) => Errands<Job>
  readonly #known = new Map<string, Destination<Job>>()
  readonly #running = new Set<Promise<void>>()
  readonly #stopped = new AbortController()
  #started = false

  constructor(
    services: Omit<DestinationServices, 'idle' | 'stopped'>,
    errandsAt: (name: string) => Errands<Job>,
  ) {
    // Each destination listens.
    setMaxListeners(Infinity, this.#stopped.signal)
    this.#services = services
    this.#errandsAt = errandsAt
  }

  /** How many there are at the moment. */
  get size(): number {
    return this.#known.size
  }

  start(): void {
    this.#started = true
    for (const destination of this.#known.values()) this.#open(destination)
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#running)
  }

  /** Something may be due there. */
  wake(name: string): void {
    this.#at(name).wake()
  }

  wakeAll(): void {
    for (const destination of this.#known.values()) destination.wake()
  }

  /** It is to be tried now, however often that has failed. */
  open(name: string): void {
    this.#at(name).open()
  }

  /** Why nothing can be done there at present. */
  lastErrorOf(name: string): string | undefined {
    return this.#known.get(name)?.lastError
  }

  #at(name: string): Destination<Job> {
    const known = this.#known.get(name)
    if (known) return known
    const destination = new Destination(name, this.#errandsAt(name), {
      ...this.#services,
      stopped: this.#stopped.signal,
      idle: () => this.#known.delete(name),
    })
    this.#known.set(name, destination)
    if (this.#started) this.#open(destination)
    return destination
  }

  #open(destination: Destination<Job>): void {
    // It works for everybody, not only for whoever named it first.
    const running = apart(() => destination.run()).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }
}
