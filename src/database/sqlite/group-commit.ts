/**
 * Group commit: the jobs of all requests that wait at the same moment share one transaction, each
 * in a savepoint, so that one that fails is rolled back alone. A job's promise resolves after
 * COMMIT; that of a durable one after the disk has it, too.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { apart } from '../alongside.ts'
import type { Executor } from '../connection.ts'
import type { CommitOptions } from '../database.ts'
import { codeOf } from '../portable.ts'
import type { Connection } from './connection.ts'

interface Job {
  work(tx: Executor): Promise<unknown>
  resolve(value: unknown): void
  reject(error: unknown): void
  readonly durable: boolean
}

interface Outcome {
  readonly job: Job
  /** To be done after the commit: see afterCommit. */
  readonly effects: readonly (() => void)[]
  settle(): void
}

const MOST_IN_A_GROUP = 64
const BUSY_PATIENCE_MS = 5_000

export class GroupCommit {
  readonly #connection: Connection
  readonly #sync: () => Promise<void>
  #waiting: Job[] = []
  #running: Promise<void> | undefined

  /** `sync` brings all that was committed to the disk. */
  constructor(connection: Connection, sync: () => Promise<void>) {
    this.#connection = connection
    this.#sync = sync
  }

  commit<T>(work: (tx: Executor) => Promise<T>, options: CommitOptions = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const durable = options.durable ?? false
      this.#waiting.push({ work, resolve: resolve as Job['resolve'], reject, durable })
      // It carries out the jobs of all, not only of who happens to start it.
      this.#running ??= apart(() => this.#drain())
    })
  }

  /** Resolves when nothing waits any more. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running
  }

  async #drain(): Promise<void> {
    // After this turn of the event loop: whatever arrived in it joins the first group.
    await new Promise(setImmediate)
    while (this.#waiting.length > 0) {
      await this.#together(this.#waiting.splice(0, MOST_IN_A_GROUP))
    }
    this.#running = undefined
  }

  /** Never throws: every job learns its own outcome. */
  async #together(jobs: readonly Job[]): Promise<void> {
    let outcomes: Outcome[]
    try {
      outcomes = await this.#connection.transaction(
        () => this.#begin(),
        () => this.#each(jobs),
      )
    } catch (error) {
      for (const job of jobs) job.reject(error)
      return
    }
    for (const { effects } of outcomes) for (const effect of effects) effect()
    const durable = outcomes.some(({ job }) => job.durable) ? this.#sync() : undefined
    for (const { job, settle } of outcomes) {
      if (job.durable) durable?.then(settle, job.reject)
      else settle()
    }
  }

  async #each(jobs: readonly Job[]): Promise<Outcome[]> {
    this.#connection.takeEffects()
    const [only] = jobs
    if (only && jobs.length === 1) {
      const value = await only.work(this.#connection.inside)
      const effects = this.#connection.takeEffects()
      return [{ job: only, effects, settle: () => only.resolve(value) }]
    }
    const outcomes: Outcome[] = []
    for (const job of jobs) {
      try {
        const value = await this.#inSavepoint(job)
        const effects = this.#connection.takeEffects()
        outcomes.push({ job, effects, settle: () => job.resolve(value) })
      } catch (error) {
        this.#connection.takeEffects()
        // Without a transaction (a full disk ends it) the others have lost their writes, too.
        if (!this.#connection.sqlite.inTransaction) throw error
        outcomes.push({ job, effects: [], settle: () => job.reject(error) })
      }
    }
    return outcomes
  }

  async #inSavepoint(job: Job): Promise<unknown> {
    this.#connection.prepare('savepoint job').run()
    try {
      const value = await job.work(this.#connection.inside)
      this.#connection.prepare('release job').run()
      return value
    } catch (error) {
      if (this.#connection.sqlite.inTransaction) {
        this.#connection.prepare('rollback to job').run()
        this.#connection.prepare('release job').run()
      }
      throw error
    }
  }

  /** Another process may hold the write lock. Waiting inside SQLite would stop the event loop. */
  async #begin(): Promise<void> {
    const deadline = performance.now() + BUSY_PATIENCE_MS
    for (let pause = 2; ; pause = Math.min(2 * pause, 100)) {
      try {
        this.#connection.prepare('begin immediate').run()
        return
      } catch (error) {
        if (!isBusy(error) || performance.now() > deadline) throw error
      }
      await sleep(pause)
    }
  }
}

/** Another process holds the lock: nothing has happened, try again. */
export function isBusy(error: unknown): boolean {
  return codeOf(error)?.startsWith('SQLITE_BUSY') ?? false
}
