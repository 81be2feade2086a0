/**
 * A transaction of its own for every commit, SERIALIZABLE: whatever is read in it is as if nobody
 * else were there, as the rest of the code takes for granted. What collides with others runs again.
 */
import { createHash } from 'node:crypto'
import type { Executor, TableName } from '../connection.ts'
import type { CommitOptions } from '../database.ts'
import type { Client, Query, Result } from './connections.ts'
import { executorOver } from './executor.ts'
import { OutcomeUnknown, isLoss, isPassing } from './failure.ts'

/** The server flushes it within a second; until then only its own end can lose it. */
const LAZILY = '; set local synchronous_commit = off'

/** One attempt at one transaction. */
export class Transaction {
  /** Where it wrote. */
  readonly written = new Set<TableName>()
  /** To be done once it is committed. */
  readonly effects: (() => void)[] = []
  readonly #client: Client
  readonly #executor: Executor
  #isOpen = false
  /** Of the statement before: a connection does one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  #failure: unknown

  constructor(client: Client) {
    this.#client = client
    this.#executor = executorOver(
      (query, writes) => this.#carryOut(query, writes),
      (effect) => this.effects.push(effect),
    )
  }

  async run<T>(work: (tx: Executor) => Promise<T>, options: CommitOptions): Promise<T> {
    await this.#begin(options)
    this.#isOpen = true
    const value = await this.#attempt(work)
    await this.#commit()
    return value
  }

  /** Who waits for a turn sees what was committed meanwhile, so that nothing is left to collide. */
  async #begin({ turn, durable }: CommitOptions): Promise<void> {
    const level = turn === undefined ? 'serializable' : 'read committed'
    await this.#client.query(`begin isolation level ${level}${durable ? '' : LAZILY}`)
    if (turn === undefined) return
    const lock = createHash('sha256').update(turn).digest().readBigInt64BE()
    await this.#client.query('select pg_advisory_xact_lock($1)', [lock])
  }

  async #attempt<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    try {
      const value = await work(this.#executor)
      await this.#end()
      // PostgreSQL carries out nothing more after a failure, whether or not `work` got over it.
      if (this.#failure !== undefined) throw this.#failure
      return value
    } catch (error) {
      await this.#end()
      await this.#client.query('rollback')
      throw isPassing(this.#failure) ? this.#failure : error
    }
  }

  async #commit(): Promise<void> {
    let command: string
    try {
      ;({ command } = await this.#client.query('commit'))
    } catch (cause) {
      if (!isLoss(cause)) throw cause
      throw new OutcomeUnknown({ cause })
    }
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`)
  }

  /** What was begun and not waited for ends first. */
  async #end(): Promise<void> {
    this.#isOpen = false
    await this.#last
  }

  #carryOut(query: Query, writes: TableName | undefined): Promise<Result> {
    if (!this.#isOpen) return Promise.reject(new Error('a transaction was used after its end'))
    if (writes !== undefined) this.written.add(writes)
    const result = this.#last.then(() => this.#client.query(query))
    this.#last = result.catch((error: unknown) => (this.#failure ??= error))
    return result
  }
}
