/** What failed in passing is done again, for a while. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseUnavailable } from '../unavailable.ts'
import { isPassing } from './failure.ts'

/** Collisions are over soon; a server that restarts may be back by then. */
const PATIENCE_MS = 5_000
const FIRST_PAUSE_MS = 4
const LONGEST_PAUSE_MS = 250

/**
 * `mayRepeat` is asked after each failure. Pauses have jitter, so that two do not meet again. What has
 * not passed by then makes the database unavailable.
 */
export async function patiently<T>(
  attempt: () => Promise<T>,
  mayRepeat: (error: unknown) => boolean,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      return await attempt()
    } catch (error) {
      if (!mayRepeat(error)) throw error
      if (performance.now() > deadline) {
        throw isPassing(error) ? new DatabaseUnavailable({ cause: error }) : error
      }
    }
    await sleep(pause * Math.random())
  }
}
