/** The protocols of an onboarding, one after the other, and the processor time beside each. */
import type { ChildProcess } from 'node:child_process'
import type { LoadPlan, Order, Phase, PhaseResult } from './load.ts'
import { cpuMs } from './process.ts'
import type { OwnService } from './service.ts'

/** Processor time so far, in milliseconds: the service's, and that of a database of its own. */
export type Meter = () => { readonly cpuMs: number; readonly databaseMs: number }

export type Measured = PhaseResult & ReturnType<Meter>
export type Phases = Record<'di' | 'to0' | 'to1' | 'to2', Measured>

/** For a service whose database is in its own process. */
export function meterOf(pids: readonly number[]): Meter {
  return () => ({ cpuMs: cpuMs(pids), databaseMs: 0 })
}

/**
 * One protocol after the other, each with the server's time beside it. Our own service registers a
 * device as soon as it is made: what that takes is measured by having all of them registered once
 * more, and DI is the rest.
 */
export async function runPhases(
  plan: LoadPlan,
  load: ChildProcess,
  meter: Meter,
  own: Pick<OwnService, 'registered' | 'registerAgain'> | undefined,
): Promise<Phases> {
  load.send({ plan } satisfies Order)
  const before = (await own?.registered(0)) ?? 0
  const made = await measured(meter, async () => {
    const result = await runPhase(load, 'di')
    await own?.registered(before + plan.count)
    return result
  })
  const hook = await measured(meter, () => runPhase(load, 'hook'))
  const to0 = own ? await registrationCost(own, plan.count, meter) : hook
  const di = own ? without(made, to0) : made
  const to1 = await measured(meter, () => runPhase(load, 'to1'))
  const to2 = await measured(meter, () => runPhase(load, 'to2'))
  return { di, to0, to1, to2 }
}

function without(made: Measured, to0: Measured): Measured {
  return {
    ...made,
    cpuMs: made.cpuMs - to0.cpuMs,
    databaseMs: made.databaseMs - to0.databaseMs,
  }
}

/** What `count` registrations cost: those of devices onboarded just now are renewed along. */
async function registrationCost(
  own: Pick<OwnService, 'registered' | 'registerAgain'>,
  count: number,
  meter: Meter,
): Promise<Measured> {
  const before = await own.registered(0)
  const renewed = await measured(meter, async () => {
    await own.registerAgain()
    const all = await own.registered(before + count)
    return { phase: 'hook', seconds: 0, latencies: [], errors: {}, renewals: all - before } as const
  })
  const share = count / renewed.renewals
  return {
    ...renewed,
    cpuMs: renewed.cpuMs * share,
    databaseMs: renewed.databaseMs * share,
  }
}

export async function measured<Result extends object>(
  meter: Meter,
  work: () => Promise<Result>,
): Promise<Result & ReturnType<Meter>> {
  const before = meter()
  const result = await work()
  const after = meter()
  return {
    ...result,
    cpuMs: after.cpuMs - before.cpuMs,
    databaseMs: after.databaseMs - before.databaseMs,
  }
}

export function runPhase(load: ChildProcess, phase: Phase): Promise<PhaseResult> {
  return new Promise((resolve, reject) => {
    const died = () => reject(new Error(`the load ended during ${phase}`))
    load.once('exit', died)
    load.once('message', (result: PhaseResult) => {
      load.off('exit', died)
      resolve(result)
    })
    load.send({ phase } satisfies Order)
  })
}
