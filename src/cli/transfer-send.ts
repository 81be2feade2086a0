/** `firstlight transfer send`: many vouchers to their next owner, some at a time. */
import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { type Given, call, listAll } from './api.ts'
import type { ApiClient } from './api-client.ts'
import { runWithApi } from './command.ts'
import { CliFailure } from './failure.ts'
import { guidOf } from './guid.ts'
import { progress, table } from './output.ts'

type Results = Given<'POST /transfers'>['items']

interface SendOptions {
  readonly file?: string
  readonly model?: string
  readonly party?: boolean
  readonly key?: string
  readonly unproven?: boolean
}

const BATCH = 500

export function addSendCommand(transfer: Command): void {
  runWithApi<SendOptions>(
    transfer
      .command('send')
      .description('extend vouchers to a partner, and push them; what was sent before stays sent')
      .argument('<partner>', 'its id or name')
      .argument('[guid...]')
      .option('--file <file>', 'a file with more GUIDs, one a line')
      .option('--model <text>', 'all that are held of this model, as made or imported')
      .option('--party', 'to another party of this installation, by its name')
      .option('--key <fingerprint>', 'to this key, where the partner has several')
      .option('--unproven', 'to a key, too, that nobody has proven to hold: there is no way back'),
    async (api, options, output, [called = '', ...given]) => {
      const { party, key, unproven } = options
      const vouchers = await wanted(api, given, options)
      const to = {
        ...(party ? { party: called } : { partner: called }),
        ...(key !== undefined && { key }),
        ...(unproven && { unproven }),
      }
      const results = await sendAll(api, vouchers, to)
      output.result(results, resultTable)
      if (!results.every(({ ok }) => ok)) process.exitCode = 5
    },
  )
}

/** Each once, in the order they are named. */
async function wanted(
  api: ApiClient,
  given: readonly string[],
  { file, model }: SendOptions,
): Promise<readonly string[]> {
  const lines = file === undefined ? [] : readFileSync(file, 'utf8').split(/\s+/)
  const named = [...given, ...lines.filter((line) => line !== '')].map(guidOf)
  const ofModel = model === undefined ? [] : await heldOf(api, model)
  const all = [...new Set([...named, ...ofModel])]
  if (all.length > 0) return all
  throw new CliFailure('usage', model === undefined ? 'which vouchers?' : `none of ${model}`, {
    next: 'name them by GUID, with --file or --model; firstlight voucher list shows them',
  })
}

async function heldOf(api: ApiClient, model: string): Promise<string[]> {
  const query = { state: 'held', device_info: model, limit: 500 } as const
  const held = await listAll(api, 'GET /vouchers', query)
  return held.filter(({ origin }) => origin !== 'onboarded').map(({ guid }) => guid)
}

async function sendAll(
  api: ApiClient,
  vouchers: readonly string[],
  to: Readonly<Record<string, string | boolean>>,
): Promise<Results> {
  const bar = vouchers.length > BATCH ? progress('handing over', vouchers.length) : undefined
  const results: Results[number][] = []
  try {
    for (let i = 0; i < vouchers.length; i += BATCH) {
      const some = vouchers.slice(i, i + BATCH)
      const { items } = await call(api, 'POST /transfers', { json: { ...to, vouchers: some } })
      results.push(...items)
      bar?.advance(some.length)
    }
  } finally {
    bar?.stop()
  }
  return results
}

function resultTable(results: Results): string {
  return table(results, [
    { title: 'RESULT', value: ({ ok }) => (ok ? 'handed over' : 'refused') },
    { title: 'GUID', value: ({ guid }) => guid },
    { title: 'TRANSFER', value: ({ transfer }) => transfer },
    { title: 'CHECK', value: ({ check }) => check },
    { title: 'DETAIL', value: ({ detail }) => detail },
  ])
}
