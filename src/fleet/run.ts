/** Runs a fleet: DI for all, the vouchers handed over, then every device powered up. */
import { spawn } from 'node:child_process'
import { toHex } from '../../protocol/bytes.ts'
import type { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import { FdoError } from '../../protocol/errors.ts'
import { PeerRefusal } from '../../protocol/error-message.ts'
import type { Target } from '../../protocol/types/rendezvous-plan.ts'
import { CliFailure, failureOf } from '../cli/failure.ts'
import type { Progress } from '../cli/output.ts'
import type { Suite } from '../simulator/keys.ts'
import type { Surroundings } from '../simulator/onboard.ts'
import { fdoTransport } from '../simulator/transport.ts'
import {
  type FleetDevice,
  makeFleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from './device.ts'
import { patiently } from './patience.ts'
import { type FleetReport, type Outcome, fleetReport } from './report.ts'

export interface FleetOptions {
  readonly count: number
  readonly concurrency: number
  readonly di: string
  readonly rv?: string
  readonly owner?: string
  readonly voucherHook?: string
  readonly suite: Suite
  readonly progress: (label: string, total: number) => Progress
  readonly note: (line: string) => void
}

const HOOK_BATCH = 10_000
/** How long a device may be too early at the rendezvous: its owner is about to register. */
const PATIENCE_MS = 60_000
const RETRY_MS = 100
const NOT_REGISTERED = 6

export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const devices = await makeFleet(options)
  if (options.voucherHook !== undefined) await handOver(devices, options.voucherHook)
  const started = performance.now()
  const outcomes = await powerUpFleet(devices, options)
  return fleetReport(outcomes, (performance.now() - started) / 1000)
}

/** DI for all; a device that cannot even be made ends the run. */
async function makeFleet(options: FleetOptions): Promise<readonly FleetDevice[]> {
  const { count, concurrency, di, progress } = options
  const transport = fdoTransport(di)
  const bar = progress('making devices', count)
  const run = Date.now().toString(36)
  try {
    return await inParallel(count, concurrency, async (i) => {
      const device = await patiently(() => makeFleetDevice(`F-${run}-${i}`, transport))
      bar.advance()
      return device
    })
  } finally {
    bar.stop()
  }
}

async function powerUpFleet(
  devices: readonly FleetDevice[],
  options: FleetOptions,
): Promise<readonly Outcome[]> {
  const bar = options.progress('onboarding', devices.length)
  const outcomes = await inParallel(devices.length, options.concurrency, async (i) => {
    const outcome = await powerUpOne(devices[i] as FleetDevice, options)
    bar.advance()
    return outcome
  })
  bar.stop()
  return outcomes
}

async function powerUpOne(device: FleetDevice, options: FleetOptions): Promise<Outcome> {
  const { rv, owner, suite } = options
  const surroundings = fleetSurroundings()
  let started = performance.now()
  const deadline = started + PATIENCE_MS
  for (;;) {
    try {
      const redirect = await patiently(() =>
        redirectFleetDevice(device, surroundings, rv ? targetOf(rv) : undefined),
      )
      const ownerThere = owner ? targetOf(owner) : undefined
      await patiently(() => onboardFleetDevice(device, redirect, suite, surroundings, ownerThere))
      return { ms: performance.now() - started, error: null }
    } catch (error) {
      const isEarly = options.voucherHook === undefined && isNotRegistered(error)
      if (!isEarly || performance.now() > deadline) {
        return { ms: performance.now() - started, error: errorName(error) }
      }
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    // The wait for the owner is not the device's time.
    started = performance.now()
  }
}

export function fleetSurroundings(): Surroundings {
  return {
    transportTo: ({ url }) => fdoTransport(url),
    now: () => new Date(),
    sleep: () => Promise.resolve(),
    note: () => {},
  }
}

export function targetOf(url: string): Target {
  const { protocol, hostname, port } = new URL(url)
  const scheme = protocol === 'https:' ? 'https' : 'http'
  return { scheme, host: hostname, port: Number(port), url: url.replace(/\/$/, '') }
}

function isNotRegistered(error: unknown): boolean {
  return (
    error instanceof PeerRefusal &&
    error.peerError.code === NOT_REGISTERED &&
    error.peerError.previousMessage === 30
  )
}

/** FDO codes by number, as the peer gave them; our own checks and all else by name. */
export function errorName(error: unknown): string {
  if (error instanceof PeerRefusal) return String(error.peerError.code)
  if (error instanceof FdoError) return `device:${error.code}`
  return failureOf(error).code
}

/** Hands the new GUIDs to a command, one a line; onboarding may start when it succeeds. */
export async function handOver(
  devices: readonly { readonly credential: Pick<DeviceCredential, 'guid'> }[],
  command: string,
): Promise<void> {
  for (let i = 0; i < devices.length; i += HOOK_BATCH) {
    const guids = devices.slice(i, i + HOOK_BATCH).map(({ credential }) => toHex(credential.guid))
    const status = await runHook(command, `${guids.join('\n')}\n`)
    if (status !== 0) {
      throw new CliFailure('failed', `the voucher hook ended with status ${status}`, {
        code: 'voucher-hook',
        next: 'run it by hand with one GUID on its standard input',
      })
    }
  }
}

function runHook(command: string, input: string): Promise<number | null> {
  return new Promise((resolve, reject) => {
    const hook = spawn('/bin/sh', ['-c', command], { stdio: ['pipe', process.stderr, 'inherit'] })
    hook.once('error', reject)
    hook.once('close', resolve)
    // A hook that reads no further than it needs is its own affair.
    hook.stdin.on('error', () => {})
    hook.stdin.end(input)
  })
}

/** Calls `work` for 0 to count − 1, `width` at a time. */
export async function inParallel<T>(
  count: number,
  width: number,
  work: (i: number) => Promise<T>,
): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const lane = async () => {
    while (next < count) {
      const i = next++
      results[i] = await work(i)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, count) }, lane))
  return results
}
