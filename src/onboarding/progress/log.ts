/**
 * Writes down how far a run has got, where it takes long: every so many rounds, and whenever an answer
 * is held back anyway. Most runs are over before that, and cost nothing.
 */
import { OWNER_MODULES } from '../../../protocol/fsim/owner-modules.ts'
import { progressOf } from '../../../protocol/service-info/progress.ts'
import type { To2OwnerState } from '../../../protocol/to2/owner/state.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Moved } from '../../fdo/mounted-role.ts'
import { bearerOf } from '../record.ts'
import { putProgress } from './store.ts'

const EVERY_ROUNDS = 16
/** Nobody is kept from anything then. */
const HELD_MS = 400

export class ProgressLog {
  readonly #clock: Clock

  constructor(clock: Clock) {
    this.#clock = clock
  }

  moved({ next, message, holdMs }: Moved<To2OwnerState>, tx: Executor): Promise<void> | undefined {
    if (!('session' in next)) return undefined
    const { rounds } = next.session
    const isDue = (rounds > 0 && rounds % EVERY_ROUNDS === 0) || holdMs >= HELD_MS
    return isDue ? this.#write(next, message, tx) : undefined
  }

  async #write(
    { run, session }: Extract<To2OwnerState, { session: unknown }>,
    message: number,
    tx: Executor,
  ): Promise<void> {
    const { deviceId: device_id, runId: run_id } = bearerOf(run)
    const { rounds, receivedBytes, step, module, bytes } = progressOf(session, OWNER_MODULES)
    await putProgress.run(tx, {
      ...{ device_id, run_id, message, rounds, received: receivedBytes, step, module },
      ...{ done: bytes?.done ?? null, total: bytes?.total ?? null },
      updated_at: this.#clock.now().toISOString(),
    })
  }
}
