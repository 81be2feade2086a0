/** A service that has too much to do puts devices off, and they come again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceBusy } from '../fdo/client.ts'

/** For as long as that: a whole fleet may have been powered up at once. */
const PATIENCE_MS = 15 * 60_000

/** `random` spreads those who were put off together: 0 up to 1. */
export async function patiently<T>(
  work: () => Promise<T>,
  { random = Math.random, pause = (ms: number): Promise<unknown> => sleep(ms) } = {},
): Promise<T> {
  let waited = 0
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof ServiceBusy) || waited > PATIENCE_MS) throw error
      const ms = Math.max(1, error.retryAfterMs * (0.5 + random()))
      waited += ms
      await pause(ms)
    }
  }
}
