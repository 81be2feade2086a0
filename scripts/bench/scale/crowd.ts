/**
 * Devices that are all powered up in the same moment, in a process of their own: made one after the
 * other, told to begin together, each on a connection of its own. Who is put off comes again when it
 * was told to; who finds nobody, or is refused, begins anew after a while, as devices do.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type FdoTransport, ServiceBusy, httpTransport } from '../../../src/fdo/client.ts'
import { Pace } from '../../../src/fdo/pace.ts'
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
  /** How often somebody was put off with 503 who was about to begin, */
  readonly putOff: number
  /** or was in the middle of a run, which no one should be, */
  readonly putOffWithin: number
  /** or began anew, because a connection came to nothing or the answer was an error: by reason. */
  readonly again: Readonly<Record<string, number>>
  /** How late the devices' own process was by at most: so much of their time-outs is its own. */
  readonly lateMs: number
}

const MAKING_AT_A_TIME = 8
/** For so long a device goes on trying. */
const PATIENCE_MS = 20 * 60_000
const AGAIN_MS = 3_000
/** TO1 and TO2. */
const FIRST_MESSAGES = [30, 60]

let devices: readonly FleetDevice[] = []

async function powerUp(connections: number): Promise<CrowdResult> {
  const told: Told = { putOff: 0, putOffWithin: 0, again: {} }
  const transports = new Map<string, FdoTransport>()
  const surroundings: Surroundings = {
    ...fleetSurroundings(),
    transportTo({ url }) {
      const known = transports.get(url) ?? counting(httpTransport(url, { connections }).send, told)
      transports.set(url, known)
      return known
    },
  }
  const delay = monitorEventLoopDelay()
  delay.enable()
  const started = performance.now()
  const through: number[] = []
  const lost: Record<string, number> = {}
  await Promise.all(
    devices.map(async (device) => {
      try {
        await untilThrough(device, surroundings, told.again)
        through.push(performance.now() - started)
      } catch (error) {
        count(lost, error)
      }
    }),
  )
  const lateMs = Math.round(delay.max / 1e6)
  return { through: through.sort((a, b) => a - b), lost, ...told, lateMs }
}

interface Told {
  putOff: number
  putOffWithin: number
  readonly again: Record<string, number>
}

/** Messages go out, and answers are dealt with, some at each turn of the loop: no device waits for all others. */
function counting(send: FdoTransport, told: Told): FdoTransport {
  const pace = new Pace()
  return async (message, authorization) => {
    await pace.turn()
    try {
      return await send(message, authorization)
    } catch (error) {
      if (error instanceof ServiceBusy) {
        told[FIRST_MESSAGES.includes(message.number) ? 'putOff' : 'putOffWithin']++
      }
      throw error
    } finally {
      await pace.turn()
    }
  }
}

async function untilThrough(
  device: FleetDevice,
  surroundings: Surroundings,
  again: Record<string, number>,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    try {
      const redirect = await patiently(() => redirectFleetDevice(device, surroundings))
      return await patiently(() =>
        onboardFleetDevice(device, redirect, suiteOf('ECDH256/1'), surroundings),
      )
    } catch (error) {
      if (performance.now() > deadline) throw error
      count(again, error)
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
