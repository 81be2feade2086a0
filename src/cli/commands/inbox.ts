/** `firstlight inbox`: who may push vouchers to us. */
import { Command } from 'commander'
import { runWithApi } from '../command.ts'
import { table } from '../output.ts'

interface InboxTokenView {
  readonly id: string
  readonly name: string
  readonly created_at: string
  readonly revoked_at: string | null
}

const PATH = '/api/v1/inbox-tokens'

export function inboxCommand(): Command {
  const inbox = new Command('inbox').description('who may push vouchers to us')
  runWithApi(
    inbox
      .command('create')
      .description('let a sender push vouchers here; the token is shown this once')
      .argument('<name>', 'of the sender'),
    async (api, _options, output, [name = '']) => {
      const json = { name }
      const made = await api.json<InboxTokenView & { token: string }>(PATH, {
        method: 'POST',
        json,
      })
      output.result(made, ({ token }) => token)
      output.note(`inbox token ${made.id} (${made.name}), good until revoked`)
    },
  )
  runWithApi(inbox.command('list').description('list the tokens'), async (api, _, output) => {
    const items = await api.list<InboxTokenView>(PATH)
    output.result(items, (rows) =>
      table(rows, [
        { title: 'ID', value: ({ id }) => id },
        { title: 'NAME', value: ({ name }) => name },
        { title: 'CREATED', value: ({ created_at }) => created_at },
        { title: 'REVOKED', value: ({ revoked_at }) => revoked_at },
      ]),
    )
  })
  runWithApi(
    inbox.command('revoke').description('take no more vouchers by a token').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await api.send(`${PATH}/${encodeURIComponent(id)}`, { method: 'DELETE' })
      output.result({ id, revoked: true }, () => `revoked ${id}`)
    },
  )
  return inbox
}
