/** The time and timers: real, and a fake that tests move by hand. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Clock {
  now(): Date
  /** Resolves after `ms`; rejects with the signal's reason when that comes first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const realClock: Clock = {
  now: () => new Date(),
  sleep: (ms, signal) => sleep(ms, undefined, { ref: false, ...(signal && { signal }) }),
}

/** Stands still until told otherwise. */
export class FakeClock implements Clock {
  #now: number
  #sleepers: { until: number; wake: () => void }[] = []

  constructor(start: Date | string = '2026-01-02T03:04:05Z') {
    this.#now = new Date(start).getTime()
  }

  now(): Date {
    return new Date(this.#now)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const end = () => reject(signal?.reason)
      const wake = () => {
        signal?.removeEventListener('abort', end)
        resolve()
      }
      this.#sleepers.push({ until: this.#now + ms, wake })
      signal?.addEventListener('abort', end, { once: true })
    })
  }

  /** Moves on, and wakes whoever slept until then. */
  advance(ms: number): void {
    this.#now += ms
    const due = this.#sleepers.filter(({ until }) => until <= this.#now)
    this.#sleepers = this.#sleepers.filter(({ until }) => until > this.#now)
    for (const { wake } of due) wake()
  }
}
