/** The same service as one process, and as two that share a PostgreSQL database. */
import type { Order } from '../load.ts'
import { runPhase } from '../phases.ts'
import { planOf, startLoad } from './onboardings.ts'
import type { PostgresServer } from './postgres.ts'
import { Site } from './site.ts'

export interface Processes {
  readonly processes: number
  /** Devices a second, by DI; and by TO1 and TO2 together. */
  readonly madePerSecond: number
  readonly onboardedPerSecond: number
  /** At the first attempt. */
  readonly failed: number
}

const WARM_UP = 600
const CONCURRENCY = 16
const REGISTRATION_DEADLINE_MS = 120_000

export async function measureProcesses(
  postgres: PostgresServer,
  processes: number,
  count: number,
): Promise<Processes> {
  const variables = { FIRSTLIGHT_PROCESSES: String(processes) }
  const site = await Site.open({ name: `processes_${processes}`, postgres, variables })
  const load = startLoad()
  try {
    const run = async (devices: number) => {
      load.send({ plan: planOf(site, devices, CONCURRENCY) } satisfies Order)
      const di = await runPhase(load, 'di')
      await untilAllRegistered(site)
      const to1 = await runPhase(load, 'to1')
      const to2 = await runPhase(load, 'to2')
      return {
        madePerSecond: devices / di.seconds,
        failed: devices - to2.latencies.length,
        onboardedPerSecond: to2.latencies.length / (to1.seconds + to2.seconds),
      }
    }
    await run(Math.min(WARM_UP, count))
    return { processes, ...(await run(count)) }
  } finally {
    if (load.connected) load.disconnect()
    await site.remove()
  }
}

/** Asked of the database: each process counts what it did itself. */
async function untilAllRegistered({ service }: Site): Promise<void> {
  const deadline = performance.now() + REGISTRATION_DEADLINE_MS
  for (const state of ['manufactured', 'owned']) {
    for (;;) {
      const path = `/api/v1/devices?limit=1&state=${state}`
      const { items } = await service.api.json<{ items: unknown[] }>(path)
      if (items.length === 0) break
      if (performance.now() > deadline) throw new Error('devices are not registered in time')
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}
