/** Options of the commands that work on the service's own data directory, beside it or in its place. */
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { CliFailure } from './failure.ts'

export interface DataOptions {
  readonly data?: string
  readonly config?: string
}

export function addDataOptions(command: Command): Command {
  return command
    .option('--data <dir>', 'the data directory of the service (FIRSTLIGHT_DATA)')
    .option('--config <file>', 'its settings as JSON, where they are in a file')
}

/** As the service itself reads it. */
export async function configOf({ data, config: file }: DataOptions): Promise<Config> {
  const { ConfigError, loadConfig } = await import('../config.ts')
  const environment = { ...process.env, ...(data !== undefined && { FIRSTLIGHT_DATA: data }) }
  try {
    return loadConfig(environment, file)
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause
    throw new CliFailure('failed', cause.message, { code: 'configuration', cause })
  }
}
