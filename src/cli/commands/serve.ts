/** `firstlight serve`: the service itself. */
import { Command } from 'commander'
import { CliFailure } from '../failure.ts'
import { reportFailure } from '../output.ts'

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the manufacturer, rendezvous and owner service')
    .option('--config <file>', 'settings as JSON: the FIRSTLIGHT_ variables in lower case')
    .option('--json', 'print a failed start as a JSON document; the ready line is one anyhow')
    .action(async ({ config: file, json = false }: { config?: string; json?: boolean }) => {
      process.exit(await serve(file, json))
    })
}

/** Resolves after SIGTERM or SIGINT, when everything is closed. */
async function serve(file: string | undefined, json: boolean): Promise<number> {
  // Before anything is opened: told to stop while it starts, it closes that again.
  const stop = new Promise((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve)
  })
  const { ConfigError, loadConfig } = await import('../../config.ts')
  const { startService } = await import('../../main.ts')
  const { StartRefused } = await import('../../secrets/master-key.ts')
  let running
  try {
    running = await startService(loadConfig(process.env, file))
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof StartRefused)) throw error
    const code = error instanceof ConfigError ? 'configuration' : 'start-refused'
    if (json) reportFailure(new CliFailure('failed', error.message, { code }), json)
    else process.stderr.write(`firstlight: ${error.message}\n`)
    return 1
  }
  const { http, https, services } = running
  const { roles } = services.config
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', http, https, roles, pid: process.pid })}\n`,
  )
  process.on('SIGHUP', () => running.reload())
  await stop
  await running.stop()
  return 0
}
