/** One of several processes that are one service: what the primary starts, as often as it wants. */
import { loadConfig } from '../config.ts'
import { type RunningService, startService } from '../main.ts'
import { type ToPrimary, type ToWorker, failureOf } from './messages.ts'

const [, , file = ''] = process.argv

let running: RunningService | undefined
// Who stops a whole group of processes (systemd, a terminal) tells us as well as the primary.
const stop = new Promise<void>((resolve) => {
  process.on('SIGTERM', () => resolve()).on('SIGINT', () => resolve())
  process.on('message', (message: ToWorker) => {
    if (message.kind === 'stop') resolve()
    if (message.kind === 'reload') running?.reload()
  })
})
process.on('SIGHUP', () => running?.reload())

process.exit(await work())

async function work(): Promise<number> {
  try {
    running = await startService(loadConfig(process.env, file === '' ? undefined : file))
  } catch (error) {
    await tell({ kind: 'failed', failure: failureOf(error) })
    return 1
  }
  const { http, https, services } = running
  await tell({ kind: 'ready', reached: { http, https, roles: services.config.roles } })
  await stop
  await running.stop()
  return 0
}

/** Resolves when it is on its way. Without a primary this process is about to end. */
function tell(message: ToPrimary): Promise<void> {
  return new Promise((resolve) => void process.send?.(message, () => resolve()))
}
