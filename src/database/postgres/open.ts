/** A database of a PostgreSQL server, which several processes may share. */
import { accompanied } from '../alongside.ts'
import type { TableName } from '../connection.ts'
import type { Database } from '../database.ts'
import { migrations } from '../migrations/index.ts'
import { isConflict } from '../portable.ts'
import { DatabaseUnavailable } from '../unavailable.ts'
import type { Known } from '../upgrade.ts'
import { Changes } from './changes.ts'
import { Connections, type Query, type Result } from './connections.ts'
import { executorOver } from './executor.ts'
import { OutcomeUnknown, isLoss, isPassing } from './failure.ts'
import { Gate } from './gate.ts'
import { migrate } from './migrate.ts'
import { patiently } from './patience.ts'
import { noteAlone, openAlone } from './presence.ts'
import { Transaction } from './transaction.ts'

/** Enough for what one core has to do, and few enough for a server with its usual limit of 100. */
const CONNECTIONS = 10
/** So often a transaction is tried among others. */
const TOGETHER = 2

interface PostgresOptions {
  /** Refuses where anybody else has the database open, and lets nobody in. */
  readonly alone?: boolean
  readonly connections?: number | undefined
  /** The migrations there are; others in tests. */
  readonly known?: Known
}

export async function openPostgres(
  url: string,
  { connections: most = CONNECTIONS, alone = false, known = migrations }: PostgresOptions,
): Promise<Database> {
  const lock = alone ? await openAlone(url) : undefined
  const connections = new Connections(url, most)
  const changes = new Changes(url, known, (reason) => connections.refuse(reason))
  try {
    const { leave } = await migrate(url, known)
    // Alone, nobody is listened to, and everything counts as changed.
    await (lock ? noteAlone(lock) : changes.listen()).finally(leave)
  } catch (error) {
    await connections.close()
    await lock?.end()
    throw isLoss(error) ? new DatabaseUnavailable({ cause: error }) : error
  }
  const gate = new Gate()
  const underWay = new Set<Promise<unknown>>()

  const commit: Database['commit'] = (work, options = {}) => {
    const accompaniedWork = accompanied(work)
    // Of two that look and then insert the same, the second may learn of it by the key alone.
    let conflicts = 0
    let attempts = 0
    const attempt = () =>
      connections.use(async (client) => {
        const transaction = new Transaction(client)
        const value = await transaction.run(accompaniedWork, options)
        changes.note(transaction.written)
        for (const effect of transaction.effects) effect()
        return value
      })
    return patiently(
      // Who takes a turn collides with nobody, and may wait for another process.
      () => (options.turn === undefined ? gate.pass(attempts++ >= TOGETHER, attempt) : attempt()),
      (error) => {
        if (error instanceof OutcomeUnknown) return false
        return isPassing(error) || (isConflict(error) && conflicts++ === 0)
      },
    )
  }

  /** One statement, outside transactions. A write that may have come to pass is not repeated. */
  async function carryOut(query: Query, writes: TableName | undefined): Promise<Result> {
    const result = await patiently(
      () => connections.use((client) => client.query(query)),
      (error) => writes === undefined && isPassing(error),
    )
    if (writes !== undefined) changes.note([writes])
    return result
  }

  const db = executorOver(carryOut, (effect) => effect())
  return {
    db,
    commit(work, options) {
      const committing = commit(work, options)
      const settled = committing.catch(() => {}).finally(() => underWay.delete(settled))
      underWay.add(settled)
      return committing
    },
    changesOf: (table) => changes.of(table),
    async isAlive() {
      try {
        await connections.use((client) => client.query('select 1'))
        return true
      } catch {
        // Whatever it is, there is no working with it now.
        return false
      }
    },
    waiting: () => connections.waiting,
    // The server's log of changes is its own; what lies there is sealed.
    async emptyLog() {},
    async close() {
      while (underWay.size > 0) await Promise.all(underWay)
      await changes.close()
      await connections.close()
      await lock?.end()
    },
  }
}
