/** Devices for the benchmarks, made over DI as a line makes them: what fails is done again. */
import { PeerRefusal } from '../../protocol/error-message.ts'
import { type FleetDevice, makeFleetDevice } from '../../src/fleet/device.ts'
import { patiently } from '../../src/fleet/patience.ts'
import { inParallel } from '../../src/fleet/run.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'

export interface Making {
  readonly count: number
  readonly concurrency: number
  readonly di: string
}

const MOST_ATTEMPTS = 5
const INTERNAL_ERROR = 500

export function makeAll({ count, concurrency, di }: Making): Promise<FleetDevice[]> {
  const transport = fdoTransport(di)
  const run = Date.now().toString(36)
  return inParallel(count, concurrency, async (i) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await patiently(() => makeFleetDevice(`F-${run}-${i}`, transport))
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isPassing(error)) throw error
      }
    }
  })
}

/** Transactions may collide for longer than a service tries, where a machine has much else to do. */
function isPassing(error: unknown): boolean {
  return error instanceof PeerRefusal && error.peerError.code === INTERNAL_ERROR
}
