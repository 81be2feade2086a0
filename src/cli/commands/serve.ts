/** `firstlight serve`: the service itself. */
import { Command } from 'commander'
import { CliFailure } from '../failure.ts'
import { reportFailure } from '../output.ts'
import type { Config } from '../../config.ts'
import type { Reached } from '../../processes/messages.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the manufacturer, rendezvous and owner service')
    .option('--config <file>', 'settings as JSON: the FIRSTLIGHT_ variables in lower case')
    .option('--json', 'print a failed start as a JSON document; the ready line is one anyhow')
    .action(async ({ config: file, json = false }: { config?: string; json?: boolean }) => {
      process.exit(await serve(file, json))
    })
}

/** What is said of a start that somebody has to put right before the next, by the error's name. */
const REFUSALS: Readonly<Record<string, string>> = {
  ConfigError: 'configuration',
  StartRefused: 'start-refused',
}

const LONG_MS = 0x7fff_ffff

/** Resolves after SIGTERM or SIGINT, when everything is closed. */
async function serve(file: string | undefined, json: boolean): Promise<number> {
  // Before anything is opened: told to stop while it starts, it closes that again.
  const stop = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve)
  })
  const { loadConfig } = await import('../../config.ts')
  try {
    const config = loadConfig(process.env, file)
    if (config.processes > 1) await serveByMany(config, file, stop)
    else await serveAlone(config, stop)
    return 0
  } catch (error) {
    const { name, message } = error as Error
    const code = REFUSALS[name]
    if (code === undefined) throw error
    if (json) reportFailure(new CliFailure('failed', message, { code }), json)
    else process.stderr.write(`firstlight: ${message}\n`)
    return 1
  }
}

async function serveAlone(config: Config, stop: Promise<void>): Promise<void> {
  const { startService } = await import('../../main.ts')
  const { GENTLE_MS } = await import('../../processes/gentle.ts')
  const running = await startService(config)
  const { http, https } = running
  sayReady({ http, https, roles: config.roles })
  process.on('SIGHUP', () => running.reload())
  await stop
  await running.stop(GENTLE_MS)
}

/** This process answers nobody: it sees to it that others do. */
async function serveByMany(
  config: Config,
  file: string | undefined,
  stop: Promise<void>,
): Promise<void> {
  const { openCrew } = await import('../../processes/primary.ts')
  const crew = openCrew(config, file)
  const stopped = stop.then(() => crew.stop())
  // There may be a time when all others have died, and nothing else keeps this one alive.
  const alive = setInterval(() => {}, LONG_MS)
  try {
    sayReady(await crew.start())
    process.on('SIGHUP', () => crew.reload())
    process.on('SIGUSR2', () => void crew.relieve())
    await Promise.race([stopped, crew.ended])
  } finally {
    clearInterval(alive)
  }
}

function sayReady({ http, https, roles }: Reached): void {
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', http, https, roles, pid: process.pid })}\n`,
  )
}
