/** Waiting for what goes on by itself. */
import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { isDatabaseBusy } from './database.ts'

/** Turns of the event loop in which nothing was asked of a database. */
const CALM = 300
/** How often other threads get to what they were given before: signatures come from there. */
const PASSES = 30
/** Of this process; Linux has it. */
const THREADS = '/proc/self/task'

const passThreads = promisify(randomBytes)
const areThreadsShown = existsSync(THREADS)

/**
 * Lets everything happen that need not wait for the clock. A database that is elsewhere answers when
 * it does: until then there are turns, and nothing happens in them. So does a thread that others on
 * the machine keep from its work.
 */
export async function quiet(): Promise<void> {
  for (let calm = 0; calm < CALM; calm = isDatabaseBusy() ? 0 : calm + 1) {
    await nextTurn()
    if (calm % (CALM / PASSES) !== 0) continue
    await passThreads(1)
    if (areThreadsShown && isThreadAtWork()) calm = 0
  }
}

/** Or would be, if it had a processor. */
function isThreadAtWork(): boolean {
  const others = readdirSync(THREADS).filter((id) => Number(id) !== process.pid)
  return others.some((id) => /\) [RD] /.test(stateOf(id)))
}

function stateOf(thread: string): string {
  try {
    return readFileSync(`${THREADS}/${thread}/stat`, 'latin1')
  } catch {
    return '' // It has ended meanwhile.
  }
}
