/**
 * One place elsewhere, and all that is to be done there: several at once while it answers, one by
 * one and ever more rarely while it does not. Places know nothing of each other.
 */
import { Alarm } from '../alarm.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

export interface Pace {
  readonly atOnce: number
  readonly firstPauseMs: number
  readonly longestPauseMs: number
}

/** What is said in the log. */
export interface Telling {
  /** What a name is the name of. */
  readonly key: string
  readonly stuck: string
  readonly away: string
}

export interface DestinationServices {
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1). */
  readonly random: () => number
  readonly stopped: AbortSignal
  readonly pace: Pace
  readonly telling: Telling
  /** Nothing is left to be done there; called at once, so that nobody is missed who comes later. */
  readonly idle: () => void
}

/** How a destination stands by what came of some tries. */
export type Verdict =
  | { readonly kind: 'there' | 'untried' }
  /** Not to be tried until somebody calls. */
  | { readonly kind: 'held-up' }
  | { readonly kind: 'away'; readonly reason: string; readonly pauseMs?: number | undefined }

export interface Errands<Job> {
  findDue(now: string, limit: number): Promise<readonly Job[]>
  /** When the next is due; undefined where nothing is left to do. */
  findNext(): Promise<string | undefined>
  /** Never throws for what the destination does. */
  tryAll(jobs: readonly Job[], pauses: Pauses): Promise<Verdict>
}

export interface Pauses {
  /** After so many failures in a row. */
  pauseMs(failures: number): number
  /** Something will be due then. */
  expect(time: Date): void
}

/** The last moment a Date can name. */
const LATEST = 8.64e15

export class Destination<Job> {
  readonly #name: string
  readonly #errands: Errands<Job>
  readonly #services: DestinationServices
  readonly #alarm: Alarm
  /** Failures to reach it, in a row. */
  #failures = 0
  #closedUntil = new Date(0)
  #lastError: string | undefined

  constructor(name: string, errands: Errands<Job>, services: DestinationServices) {
    this.#name = name
    this.#errands = errands
    this.#services = services
    this.#alarm = new Alarm(services.clock, services.stopped)
  }

  /** Why nothing can be done there at present. */
  get lastError(): string | undefined {
    return this.#lastError
  }

  /** Something may be due. */
  wake(): void {
    this.#alarm.call()
  }

  /** Somebody does not want to wait until it is tried again. */
  open(): void {
    this.#closedUntil = new Date(0)
    this.wake()
  }

  /** Until nothing is left to do, or it is stopped. */
  async run(): Promise<void> {
    const { clock, log, stopped, pace, telling } = this.#services
    while (!stopped.aborted) {
      this.#alarm.listen()
      try {
        if (await this.#round()) continue
        if (this.#isDone) break
      } catch (error) {
        log.error({ err: error, [telling.key]: this.#name }, telling.stuck)
        this.#alarm.set(after(clock.now(), pace.firstPauseMs))
      }
      await this.#alarm.wait()
    }
    this.#alarm.end()
  }

  #isDone = false

  /** Whether it is worth looking again at once. */
  async #round(): Promise<boolean> {
    const { clock, pace, idle } = this.#services
    const now = clock.now()
    if (this.#closedUntil > now) {
      this.#alarm.set(this.#closedUntil)
      return false
    }
    const limit = this.#failures > 0 ? 1 : pace.atOnce
    const due = await this.#errands.findDue(now.toISOString(), limit)
    if (due.length > 0) return this.#judge(await this.#errands.tryAll(due, this.#pauses))
    // Whoever tries may have said when the next is due: only who comes anew has to ask.
    if (this.#alarm.isSet) return false
    const next = await this.#errands.findNext()
    if (next !== undefined) this.#alarm.set(new Date(next))
    else if (!this.#alarm.isCalled) {
      this.#isDone = true
      idle()
    }
    return false
  }

  readonly #pauses: Pauses = {
    pauseMs: (failures) => {
      const { firstPauseMs, longestPauseMs } = this.#services.pace
      const doubled = firstPauseMs * 2 ** Math.min(failures - 1, 20)
      const spread = 0.75 + 0.5 * this.#services.random()
      return Math.min(doubled, longestPauseMs) * spread
    },
    expect: (time) => this.#alarm.set(time),
  }

  /** Whether it as such is to be left alone for a while. */
  #judge(verdict: Verdict): boolean {
    if (verdict.kind === 'held-up') return false
    if (verdict.kind === 'there') {
      this.#failures = 0
      this.#lastError = undefined
    }
    if (verdict.kind !== 'away') return true
    const { clock, log, telling } = this.#services
    const { reason, pauseMs = this.#pauses.pauseMs(++this.#failures) } = verdict
    if (verdict.pauseMs !== undefined) this.#failures++
    this.#lastError = reason
    this.#closedUntil = after(clock.now(), pauseMs)
    log.warn({ [telling.key]: this.#name, reason }, telling.away)
    return true
  }
}

export function after(time: Date, ms: number): Date {
  return new Date(Math.min(time.getTime() + ms, LATEST))
}
