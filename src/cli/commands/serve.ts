/** `firstlight serve`: the service itself. */
import { Command } from 'commander'

export function serveCommand(): Command {
  return new Command('serve')
    .description('run the manufacturer, rendezvous and owner service')
    .option('--config <file>', 'settings as JSON: the FIRSTLIGHT_ variables in lower case')
    .action(async ({ config: file }: { config?: string }) => {
      process.exit(await serve(file))
    })
}

/** Resolves after SIGTERM or SIGINT, when everything is closed. */
async function serve(file: string | undefined): Promise<number> {
  const { ConfigError, loadConfig } = await import('../../config.ts')
  const { startService } = await import('../../main.ts')
  const { StartRefused } = await import('../../secrets/master-key.ts')
  let running
  try {
    running = await startService(loadConfig(process.env, file))
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof StartRefused)) throw error
    process.stderr.write(`firstlight: ${error.message}\n`)
    return 1
  }
  const stop = new Promise((resolve) => {
    process.once('SIGTERM', resolve).once('SIGINT', resolve)
  })
  const { http, https, services } = running
  const { roles } = services.config
  process.stdout.write(
    `${JSON.stringify({ event: 'ready', http, https, roles, pid: process.pid })}\n`,
  )
  await stop
  await running.stop()
  return 0
}
