/** `firstlight transfer rule`: to whom the vouchers of a model go by themselves. */
import { Command } from 'commander'
import { type Given, call, listAll } from './api.ts'
import { runWithApi } from './command.ts'
import { CliFailure } from './failure.ts'
import { facts, table } from './output.ts'

type Rule = Given<'GET /transfer-rules/{id}'>

interface AddOptions {
  readonly model?: string
  readonly anyModel?: boolean
  readonly party?: boolean
}

export function transferRuleCommand(): Command {
  const rule = new Command('rule').description('to whom the vouchers of a model go by themselves')
  runWithApi<AddOptions>(
    rule
      .command('add')
      .description('hand over every voucher of a model, those there are and those to come')
      .argument('<partner>', 'its id or name')
      .option('--model <text>', 'the device info, exactly')
      .option('--any-model', 'all that no other rule is about')
      .option('--party', 'to another party of this installation, by its name'),
    async (api, { model = null, anyModel = false, party }, output, [called = '']) => {
      if ((model === null) !== anyModel) {
        throw new CliFailure('usage', 'of which model?', { next: '--model TEXT or --any-model' })
      }
      const to = party ? { party: called } : { partner: called }
      const made = await call(api, 'POST /transfer-rules', { json: { model, ...to } })
      output.result(made, page)
    },
  )
  runWithApi(
    rule.command('list').description('list the rules, and how they go'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /transfer-rules', {})
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'MODEL', value: modelOf },
          { title: 'TO', value: receiverOf },
          { title: 'LAST ERROR', value: ({ last_error }) => last_error },
        ]),
      )
    },
  )
  runWithApi(
    rule.command('remove').description('hand over no more by it').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /transfer-rules/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
  return rule
}

function modelOf({ model }: Rule): string {
  return model ?? '(any other)'
}

function receiverOf({ partner, party }: Rule): string {
  return partner ?? `party ${party}`
}

function page(rule: Rule): string {
  return facts([
    ['id', rule.id],
    ['model', modelOf(rule)],
    ['to', receiverOf(rule)],
    ['last error', rule.last_error],
  ])
}
