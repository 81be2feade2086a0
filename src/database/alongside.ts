/**
 * Something to be written in the same transaction as whatever a piece of work commits, so that
 * neither is ever there without the other. The work need not know.
 *
 * What the work starts and leaves running, such as a loop, keeps the companion for good: so it ends
 * with the work.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Executor } from './connection.ts'

interface Companion {
  /** Undefined once the work has ended. */
  write: ((tx: Executor) => Promise<void>) | undefined
}

const companions = new AsyncLocalStorage<Companion | undefined>()

/** Does the work; each of its commits brings `write` along, and fails where that throws. */
export async function alongside<T>(
  write: (tx: Executor) => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const companion: Companion = { write }
  try {
    return await companions.run(companion, work)
  } finally {
    companion.write = undefined
  }
}

/** Does what is not the caller's own: nothing of the caller comes along. */
export function apart<T>(work: () => T): T {
  return companions.run(undefined, work)
}

/** What is committed, with what comes along. */
export function accompanied<T>(work: (tx: Executor) => Promise<T>): (tx: Executor) => Promise<T> {
  const write = companions.getStore()?.write
  if (!write) return work
  return async (tx) => {
    const value = await work(tx)
    await write(tx)
    return value
  }
}
