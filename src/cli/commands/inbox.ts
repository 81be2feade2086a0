/** `firstlight inbox`: who may push vouchers to us. */
import { Command } from 'commander'
import { call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { table } from '../output.ts'

export function inboxCommand(): Command {
  const inbox = new Command('inbox').description('who may push vouchers to us')
  runWithApi(
    inbox
      .command('create')
      .description('let a sender push vouchers here; the token is shown this once')
      .argument('<name>', 'of the sender'),
    async (api, _options, output, [name = '']) => {
      const made = await call(api, 'POST /inbox-tokens', { json: { name } })
      output.result(made, ({ token }) => token)
      output.note(`inbox token ${made.id} (${made.name}), good until revoked`)
    },
  )
  runWithApi(inbox.command('list').description('list the tokens'), async (api, _, output) => {
    const items = await listAll(api, 'GET /inbox-tokens', {})
    output.result(items, (rows) =>
      table(rows, [
        { title: 'ID', value: ({ id }) => id },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'CREATED', value: ({ created_at }) => created_at.slice(0, 19) },
        { title: 'REVOKED', value: ({ revoked_at }) => revoked_at?.slice(0, 19) },
      ]),
    )
  })
  runWithApi(
    inbox.command('revoke').description('take no more vouchers by a token').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /inbox-tokens/{id}', { params: { id } })
      output.result({ id, revoked: true }, () => `revoked ${id}`)
    },
  )
  return inbox
}
