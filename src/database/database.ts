/** What the rest of the service has of its database, whichever it is. */
import type { Executor } from './connection.ts'
import type { WatchedTable } from './watched.ts'

export interface Database {
  /** For reading, and for writing single statements that need no transaction. */
  readonly db: Executor
  /**
   * Runs `work` in a transaction; resolves once that has been committed. Where others' transactions
   * come between, `work` runs again from its start: it has no effects but through `tx`.
   */
  commit<T>(work: (tx: Executor) => Promise<T>, options?: CommitOptions): Promise<T>
  /**
   * Moves on with every write to the table, of this process or another: what was read before is as
   * good as read now while this number stays. Taken before reading, compared later.
   */
  changesOf(table: WatchedTable): number
  /** Whether it answers. */
  isAlive(): Promise<boolean>
  /** How many wait for a connection; none does where there is but one, in this process. */
  waiting(): number
  /** Where it keeps a log of changes: nothing deleted lingers there afterwards, as far as it can. */
  emptyLog(): Promise<void>
  /** Waits for commits under way. */
  close(): Promise<void>
}

export interface CommitOptions {
  /**
   * One after the other, in all processes: of those with the same name one begins when the one before
   * has been committed, and each of its statements sees all that has. Others are not waited for.
   */
  readonly turn?: string
  /** Survives a power cut, not only the end of the process. */
  readonly durable?: boolean
}
