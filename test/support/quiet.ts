/** Waiting for what goes on by itself. */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isDatabaseBusy } from './database.ts'

/** Turns of the event loop in which nothing was asked of a database. */
const CALM = 300
/** How often other threads get to what they were given before: signatures come from there. */
const PASSES = 30

const passThreads = promisify(randomBytes)

/**
 * Lets everything happen that need not wait for the clock. A database that is elsewhere answers when
 * it does: until then there are turns, and nothing happens in them.
 */
export async function quiet(): Promise<void> {
  for (let calm = 0; calm < CALM; calm = isDatabaseBusy() ? 0 : calm + 1) {
    await nextTurn()
    if (calm % (CALM / PASSES) === 0) await passThreads(1)
  }
}
