/** `firstlight webhook`: addresses that are told of what happens. */
import { Command } from 'commander'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { timeOf } from '../time.ts'

type Webhook = Given<'GET /webhooks/{id}'>

export function webhookCommand(): Command {
  const webhook = new Command('webhook').description('addresses that are told of what happens')
  addMaking(webhook)
  addLooking(webhook)
  addTrying(webhook)
  return webhook
}

function addMaking(webhook: Command): void {
  runWithApi<{ to: string; type: string[] }>(
    webhook
      .command('add')
      .description('tell an address of what happens from now on; its secret is shown this once')
      // The service's own address is --url.
      .requiredOption('--to <url>', 'who is to be told')
      .option('--type <type...>', 'of what: types of audit list, or beginnings such as voucher-*', [
        '*',
      ]),
    async (api, { to: url, type: types }, output) => {
      const made = await call(api, 'POST /webhooks', { json: { url, types } })
      output.result(made, ({ secret }) => secret)
      output.note(`webhook ${made.id}; try it with: firstlight webhook test ${made.id}`)
    },
  )
  runWithApi<{ to?: string; type?: string[]; enable?: boolean; disable?: boolean }>(
    webhook
      .command('set')
      .description('change a webhook')
      .argument('<id>')
      .option('--to <url>', 'another address')
      .option('--type <type...>', 'other types')
      .option('--enable', 'go on where it was left')
      .option('--disable', 'tell it nothing for now'),
    async (api, { to: url, type: types, enable, disable }, output, [id = '']) => {
      if (enable && disable) throw new CliFailure('usage', '--enable and --disable')
      const json = {
        ...(url !== undefined && { url }),
        ...(types && { types }),
        ...((enable || disable) && { enabled: enable === true }),
      }
      output.result(await call(api, 'PATCH /webhooks/{id}', { params: { id }, json }), page)
    },
  )
  runWithApi(
    webhook.command('remove').description('tell an address no more').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /webhooks/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
}

function addLooking(webhook: Command): void {
  runWithApi(
    webhook.command('list').description('the webhooks, and how far each has got'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /webhooks', {}), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'STATE', value: ({ state }) => state },
          { title: 'PENDING', value: ({ pending }) => pending, right: true },
          { title: 'FAILED', value: ({ attempts }) => attempts, right: true },
          { title: 'URL', value: ({ url }) => url },
          { title: 'LAST ERROR', value: ({ last_error }) => last_error },
        ]),
      )
    },
  )
  runWithApi(
    webhook.command('get').description('one webhook').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      output.result(await call(api, 'GET /webhooks/{id}', { params: { id } }), page)
    },
  )
}

function addTrying(webhook: Command): void {
  runWithApi<{ from?: string; since?: string }>(
    webhook
      .command('replay')
      .description('deliver again, with the ids that were used before')
      .argument('<id>')
      .option('--from <seq>', 'from this entry of the audit log on')
      .option('--since <time>', 'from a time on: 2026-01-31T12:00:00Z, 90m, 7d'),
    async (api, { from, since }, output, [id = '']) => {
      if ((from === undefined) === (since === undefined)) {
        throw new CliFailure('usage', 'from where?', { next: 'give either --from or --since' })
      }
      const json =
        since === undefined ? { from_seq: Number(from) } : { since: timeOf(since, '--since') }
      const replayed = await call(api, 'POST /webhooks/{id}/replay', { params: { id }, json })
      output.result(replayed, ({ pending }) => `${id}: ${pending} entries to look at again`)
    },
  )
  runWithApi(
    webhook.command('test').description('send a message that tells of nothing').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const result = await call(api, 'POST /webhooks/{id}/test', { params: { id } })
      output.result(result, ({ ok, status, error }) =>
        ok ? `taken: ${status}` : `not taken: ${error ?? status}`,
      )
      if (!result.ok) process.exitCode = 5
    },
  )
}

function page(one: Webhook): string {
  return facts([
    ['id', one.id],
    ['URL', one.url],
    ['types', one.types.join(' ')],
    ['state', one.state],
    ['told up to', one.cursor],
    ['pending', one.pending],
    ['last told', one.last_delivered_at],
    ['failed', one.attempts === 0 ? 'no' : `${one.attempts} times, again at ${one.next_at}`],
    ['last error', one.last_error],
  ])
}
