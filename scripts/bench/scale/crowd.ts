/**
 * Devices that are all powered up in the same moment, in a process of their own: made one after the
 * other, told to begin together, each on a connection of its own. Who is put off comes again when it
 * was told to; who finds nobody, or is refused, begins anew after a while, as devices do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type FdoTransport, httpTransport } from '../../../src/fdo/client.ts'
import { suiteOf } from '../../../src/cli/commands/fleet.ts'
import {
  type FleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from '../../../src/fleet/device.ts'
import { patiently } from '../../../src/fleet/patience.ts'
import { errorName, fleetSurroundings } from '../../../src/fleet/run.ts'
import { makeAll } from '../making.ts'
import type { Surroundings } from '../../../src/simulator/onboard.ts'

export interface CrowdOrder {
  readonly make?: { readonly di: string; readonly count: number }
  readonly powerUp?: { readonly connections: number }
}

export interface CrowdResult {
  /** When each was through, in milliseconds from the start; in their order. */
  readonly through: readonly number[]
  /** Of those that gave up, by reason. */
  readonly lost: Readonly<Record<string, number>>
  /** How often somebody was put off with 503, */
  readonly putOff: number
  /** or began anew, because a connection came to nothing or the answer was an error: by reason. */
  readonly again: Readonly<Record<string, number>>
}

const MAKING_AT_A_TIME = 8
/** For so long a device goes on trying. */
const PATIENCE_MS = 20 * 60_000
const AGAIN_MS = 3_000

let devices: readonly FleetDevice[] = []

async function powerUp(connections: number): Promise<CrowdResult> {
  const transports = new Map<string, FdoTransport>()
  const surroundings: Surroundings = {
    ...fleetSurroundings(),
    transportTo({ url }) {
      const known = transports.get(url) ?? httpTransport(url, { connections }).send
      transports.set(url, known)
      return known
    },
  }
  const started = performance.now()
  const through: number[] = []
  const lost: Record<string, number> = {}
  const told: Told = { putOff: 0, again: {} }
  await Promise.all(
    devices.map(async (device) => {
      try {
        await untilThrough(device, surroundings, told)
        through.push(performance.now() - started)
      } catch (error) {
        count(lost, error)
      }
    }),
  )
  return { through: through.sort((a, b) => a - b), lost, ...told }
}

interface Told {
  putOff: number
  readonly again: Record<string, number>
}

async function untilThrough(
  device: FleetDevice,
  surroundings: Surroundings,
  told: Told,
): Promise<void> {
  const waiting = (ms: number) => {
    told.putOff++
    return sleep(ms)
  }
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      const redirect = await patiently(() => redirectFleetDevice(device, surroundings), {
        pause: waiting,
      })
      return await patiently(
        () => onboardFleetDevice(device, redirect, suiteOf('ECDH256/1'), surroundings),
        { pause: waiting },
      )
    } catch (error) {
      if (performance.now() > deadline) throw error
      count(told.again, error)
      await sleep(AGAIN_MS * (0.5 + Math.random()))
    }
  }
}

function count(reasons: Record<string, number>, error: unknown): void {
  const name = errorName(error)
  reasons[name] = (reasons[name] ?? 0) + 1
}

process.on('message', (order: CrowdOrder) => {
  void carryOut(order).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})

async function carryOut({ make, powerUp: start }: CrowdOrder): Promise<CrowdResult | null> {
  if (make) {
    devices = await makeAll({ ...make, concurrency: MAKING_AT_A_TIME })
  }
  return start ? await powerUp(start.connections) : null
}
