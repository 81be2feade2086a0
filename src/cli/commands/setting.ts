/** `firstlight setting`: what devices are told, and what was issued to them. */
import { Command } from 'commander'
import type { Operations } from '../api-types.d.ts'
import { call } from '../api.ts'
import { runWithApi } from '../command.ts'
import { documentIn } from '../document.ts'

interface SetOptions {
  readonly set?: string
}

export function settingCommand(): Command {
  const setting = new Command('setting').description('where devices are told to look')
  runWithApi<SetOptions>(
    document(setting, 'rendezvous-info', 'where new devices look for their owner'),
    async (api, { set }, output) => {
      const json = set === undefined ? undefined : documentIn(set)
      const shown =
        json === undefined
          ? await call(api, 'GET /rendezvous-info', {})
          : await call(api, 'PUT /rendezvous-info', {
              json: json as Operations['PUT /rendezvous-info']['json'],
            })
      output.result(shown, textOf)
    },
  )
  runWithApi<SetOptions>(
    document(setting, 'owner-addresses', 'where the rendezvous sends our devices'),
    async (api, { set }, output) => {
      const json = set === undefined ? undefined : documentIn(set)
      const shown =
        json === undefined
          ? await call(api, 'GET /owner-addresses', {})
          : await call(api, 'PUT /owner-addresses', {
              json: json as Operations['PUT /owner-addresses']['json'],
            })
      output.result(shown, textOf)
    },
  )
  return setting
}

function document(setting: Command, name: string, description: string): Command {
  return setting
    .command(name)
    .description(`${description}: shows it, or sets it`)
    .option('--set <file>', 'JSON, as it is shown')
}

function textOf(shown: unknown): string {
  return JSON.stringify(shown, null, 2)
}
