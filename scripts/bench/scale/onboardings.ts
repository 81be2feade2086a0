/** Whole onboardings, against few rows and against many. */
import { fork } from 'node:child_process'
import { join } from 'node:path'
import { suiteOf } from '../../../src/cli/commands/fleet.ts'
import type { LoadPlan } from '../load.ts'
import { type Phases, runPhases } from '../phases.ts'
import { type Pair, type Sites, Ledger, inTurn } from './comparison.ts'
import type { Site } from './site.ts'

const CONCURRENCY = 8
/** The first thousands of messages are the compiler's. */
const WARM_UP = 600
const ROUNDS = 4
export const RENEWAL = 'TO0 (renewal)'
export const WHOLE = 'whole onboarding'
const PHASES = { di: 'DI', to0: RENEWAL, to1: 'TO1', to2: 'TO2' } as const

/** Of `count` devices at each. */
export async function compareOnboardings(sites: Sites, count: number): Promise<readonly Pair[]> {
  const ledger = new Ledger()
  const block = Math.ceil(count / ROUNDS)
  const loads = { empty: startLoad(), full: startLoad() }
  const run = async (where: keyof Sites, devices: number) =>
    failing(
      await runPhases(
        planOf(sites[where], devices),
        loads[where],
        sites[where].meter,
        sites[where].service,
      ),
    )
  try {
    await inTurn(1, async (where) => void (await run(where, Math.min(WARM_UP, count))))
    await inTurn(ROUNDS, async (where) => {
      const phases = await run(where, block)
      for (const [name, title] of Object.entries(PHASES)) {
        const { seconds, cpuMs, databaseMs } = phases[name as keyof Phases]
        const cost = { times: block, wallMs: seconds * 1000, cpuMs, databaseMs }
        ledger.add(title, where, cost)
      }
      for (const { seconds, cpuMs, databaseMs } of Object.values(phases)) {
        ledger.add(WHOLE, where, { times: 0, wallMs: seconds * 1000, cpuMs, databaseMs })
      }
      ledger.add(WHOLE, where, { times: block, wallMs: 0, cpuMs: 0, databaseMs: 0 })
    })
  } finally {
    for (const load of Object.values(loads)) if (load.connected) load.disconnect()
  }
  return ledger.pairs
}

export function startLoad() {
  return fork(join(import.meta.dirname, '..', 'load.js'))
}

export function planOf(
  { service }: Pick<Site, 'service'>,
  count: number,
  concurrency = CONCURRENCY,
): LoadPlan {
  return { count, concurrency, suite: suiteOf('ECDH256/1'), bare: '', di: service.url }
}

/** A device that fails is no measurement. */
function failing(phases: Phases): Phases {
  for (const [name, { errors }] of Object.entries(phases)) {
    if (Object.keys(errors).length > 0) throw new Error(`${name}: ${JSON.stringify(errors)}`)
  }
  return phases
}
