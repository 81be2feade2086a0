/** What every command shares: `--json`, the options of the API's callers, how failures end. */
import type { Command } from 'commander'
import { ApiClient } from './api-client.ts'
import { type Output, outputOf, reportFailure } from './output.ts'

/** Adds `--json` and the command's body; what the body throws becomes its exit status. */
export function run<Options extends object>(
  command: Command,
  body: (options: Options, output: Output, operands: readonly string[]) => Promise<void>,
): Command {
  return command
    .option('--json', 'print one JSON document on stdout')
    .action(async (...received: unknown[]) => {
      // commander passes the operands, then the options, then the command.
      const options = received.at(-2) as Options & { json?: boolean }
      const operands = received
        .slice(0, -2)
        .flat()
        .filter((one) => typeof one === 'string')
      try {
        await body(options, outputOf(options), operands)
      } catch (error) {
        reportFailure(error, options.json ?? false)
      }
    })
}

/** As `run`, for commands that call a running service. */
export function runWithApi<Options extends object>(
  command: Command,
  body: (
    api: ApiClient,
    options: Options,
    output: Output,
    operands: readonly string[],
  ) => Promise<void>,
): Command {
  addApiOptions(command)
  return run<Options>(command, (options, output, operands) =>
    body(new ApiClient(options), options, output, operands),
  )
}

/** How a command finds the service, and shows who is calling. */
export function addApiOptions(command: Command): Command {
  return command
    .option('--url <url>', 'where the service is (FIRSTLIGHT_URL)')
    .option('--token-file <file>', 'a file with the token to show it (FIRSTLIGHT_TOKEN_FILE)')
    .option('--ca <file>', 'the CA of its certificate (FIRSTLIGHT_CA)')
    .option('--timeout <seconds>', 'how long to wait for an answer', '60')
}
