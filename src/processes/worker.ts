/** One of several processes that are one service: what the primary starts, as often as it wants. */
import cluster from 'node:cluster'
import { loadConfig } from '../config.ts'
import { type RunningService, startService } from '../main.ts'
import { Others } from './colleagues.ts'
import { GENTLE_MS } from './gentle.ts'
import { type ToPrimary, type ToWorker, failureOf, markOf } from './messages.ts'

const [, , file = ''] = process.argv

type Pace = Pick<Extract<ToWorker, { kind: 'stop' }>, 'idleMs' | 'drains'>

const others = new Others(markOf(cluster.worker?.id ?? 0), (message) => void tell(message))
let running: RunningService | undefined
// Who stops a whole group of processes (systemd, a terminal) tells us as well as the primary.
const stop = new Promise<Pace>((resolve) => {
  const gently = { idleMs: GENTLE_MS, drains: true }
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => resolve(gently))
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') resolve(message)
    else void hear(message)
  })
})
process.on('SIGHUP', () => running?.reload())

process.exit(await work())

async function work(): Promise<number> {
  try {
    const config = loadConfig(process.env, file === '' ? undefined : file)
    running = await startService(config, {}, others)
  } catch (error) {
    await tell({ kind: 'failed', failure: failureOf(error) })
    return 1
  }
  const { http, https, services } = running
  await tell({ kind: 'ready', reached: { http, https, roles: services.config.roles } })
  const { idleMs, drains } = await stop
  await running.stop(idleMs, drains)
  await tell({ kind: 'counted', families: await services.metrics.own() })
  return 0
}

async function hear(message: ToWorker): Promise<void> {
  if (message.kind === 'reload') running?.reload()
  if (message.kind === 'told') running?.exchange.hear(message.told)
  if (message.kind === 'counted') others.counted(message.families)
  if (message.kind === 'count' && running) {
    await tell({ kind: 'counted', families: await running.services.metrics.own() })
  }
}

/** Resolves when it is on its way. Without a primary this process is about to end. */
function tell(message: ToPrimary): Promise<void> {
  return new Promise((resolve) => void process.send?.(message, () => resolve()))
}
