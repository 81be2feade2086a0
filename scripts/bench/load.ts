/**
 * The load, in a process of its own: a fleet that goes through one protocol at a time, when the
 * bench says so, so that the server's processor time can be told apart by protocol.
 */
import {
  type FleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from '../../src/fleet/device.ts'
import { patiently } from '../../src/fleet/patience.ts'
import {
  errorName,
  fleetSurroundings,
  handOver,
  inParallel,
  targetOf,
} from '../../src/fleet/run.ts'
import { makeAll } from './making.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'
import type { Suite } from '../../src/simulator/keys.ts'
import type { Redirect } from '../../src/simulator/onboard.ts'

export interface LoadPlan {
  readonly count: number
  readonly concurrency: number
  readonly di: string
  readonly rv?: string
  readonly owner?: string
  readonly voucherHook?: string
  readonly suite: Suite
  /** A server that answers anything: see bare-http.ts. */
  readonly bare: string
}

export type Phase = 'di' | 'hook' | 'to1' | 'to2' | 'bare'

/** Of one onboarding: 10 and 12, 30 and 32, 60, 62, 64, 66, two times 68, 70. */
const MESSAGES = 11

export type Order = { readonly plan: LoadPlan } | { readonly phase: Phase }

export interface PhaseResult {
  readonly phase: Phase
  readonly seconds: number
  /** Milliseconds a device, for those that got through. */
  readonly latencies: readonly number[]
  readonly errors: Readonly<Record<string, number>>
}

let plan: LoadPlan
let devices: readonly FleetDevice[] = []
const redirects = new Map<FleetDevice, Redirect>()
const surroundings = fleetSurroundings()

const PHASES: Record<Phase, () => Promise<Omit<PhaseResult, 'phase' | 'seconds'>>> = {
  async di() {
    redirects.clear()
    devices = await makeAll(plan)
    return { latencies: [], errors: {} }
  },
  async hook() {
    if (plan.voucherHook !== undefined) await handOver(devices, plan.voucherHook)
    return { latencies: [], errors: {} }
  },
  to1: () =>
    forEach(devices, async (device) => {
      const rendezvous = plan.rv === undefined ? undefined : targetOf(plan.rv)
      const redirect = await patiently(() => redirectFleetDevice(device, surroundings, rendezvous))
      redirects.set(device, redirect)
    }),
  to2: () =>
    forEach([...redirects.keys()], async (device) => {
      const owner = plan.owner === undefined ? undefined : targetOf(plan.owner)
      const redirect = redirects.get(device) as Redirect
      await patiently(() => onboardFleetDevice(device, redirect, plan.suite, surroundings, owner))
    }),
  bare: () => forEach(Array.from({ length: plan.count }), sendWithoutMeaning),
}

/** As long as what devices send on the average. */
const MESSAGE = new Uint8Array(400)

async function sendWithoutMeaning(): Promise<void> {
  const transport = fdoTransport(plan.bare)
  let token: string | undefined
  for (let i = 0; i < MESSAGES; i++) {
    token = (await transport({ number: 60, bytes: MESSAGE }, token)).authorization
  }
}

async function forEach<Subject>(
  chosen: readonly Subject[],
  work: (subject: Subject) => Promise<void>,
) {
  const latencies: number[] = []
  const errors: Record<string, number> = {}
  await inParallel(chosen.length, plan.concurrency, async (i) => {
    const started = performance.now()
    try {
      await work(chosen[i] as Subject)
      latencies.push(performance.now() - started)
    } catch (error) {
      const name = errorName(error)
      errors[name] = (errors[name] ?? 0) + 1
    }
  })
  return { latencies, errors }
}

process.on('message', (order: Order) => {
  if ('plan' in order) {
    plan = order.plan
    return
  }
  const started = performance.now()
  PHASES[order.phase]().then(
    (result) => {
      const seconds = (performance.now() - started) / 1000
      process.send?.({ phase: order.phase, seconds, ...result } satisfies PhaseResult)
    },
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    },
  )
})
