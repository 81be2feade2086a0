/**
 * Something to be written in the same transaction as whatever a piece of work commits, so that
 * neither is ever there without the other. The work need not know.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Executor } from './connection.ts'

type Write = (tx: Executor) => Promise<void>

const companions = new AsyncLocalStorage<Write>()

/** Does the work; each of its commits brings `write` along, and fails where that throws. */
export function alongside<T>(write: Write, work: () => Promise<T>): Promise<T> {
  return companions.run(write, work)
}

/** What is committed, with what comes along. */
export function accompanied<T>(work: (tx: Executor) => Promise<T>): (tx: Executor) => Promise<T> {
  const write = companions.getStore()
  if (!write) return work
  return async (tx) => {
    const value = await work(tx)
    await write(tx)
    return value
  }
}
