/** `firstlight group`: groups of devices, and what the tokens of their devices may carry. */
import { Command } from 'commander'
import type { Operations } from '../api-types.d.ts'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { table } from '../output.ts'

type Scope = Operations['POST /groups']['json']['scopes'][number]

export function groupCommand(): Command {
  const group = new Command('group').description('what devices may do, by the group they are in')
  runWithApi(group.command('list').description('list the groups'), async (api, _, output) => {
    output.result(await listAll(api, 'GET /groups', {}), textOf)
  })
  runWithApi(
    group.command('get').description('one group').argument('<name>'),
    async (api, _options, output, [name = '']) => {
      output.result(await call(api, 'GET /groups/{name}', { params: { name } }), one)
    },
  )
  runWithApi<{ scope?: string[] }>(
    group
      .command('add')
      .description('add a group')
      .argument('<name>')
      .option('--scope <scope...>', 'what its devices may do, such as device:whoami'),
    async (api, { scope = [] }, output, [name = '']) => {
      const json = { name, scopes: scopesOf(scope) }
      output.result(await call(api, 'POST /groups', { json }), one)
    },
  )
  runWithApi<{ scope: string[] }>(
    group
      .command('set')
      .description('say anew what the devices of a group may do')
      .argument('<name>')
      .requiredOption('--scope <scope...>', 'all that they may; none for nothing'),
    async (api, { scope }, output, [name = '']) => {
      const json = { scopes: scopesOf(scope.filter((text) => text !== 'none')) }
      output.result(await call(api, 'PATCH /groups/{name}', { params: { name }, json }), one)
    },
  )
  runWithApi(
    group.command('remove').description('remove a group without devices').argument('<name>'),
    async (api, _options, output, [name = '']) => {
      await call(api, 'DELETE /groups/{name}', { params: { name } })
      output.result({ name, removed: true }, () => `removed ${name}`)
    },
  )
  runWithApi(
    group
      .command('assign')
      .description('put a device into a group')
      .argument('<device>', 'its id, or a GUID it has or had')
      .argument('<name>', 'of the group'),
    async (api, _options, output, [device = '', name = '']) => {
      const asked = { params: { device }, json: { group: name } }
      const changed = await call(api, 'PATCH /devices/{device}', asked)
      output.result(changed, ({ guid }) => `${guid} is in ${name}`)
    },
  )
  return group
}

function one(group: Given<'GET /groups/{name}'>): string {
  return textOf([group])
}

function textOf(groups: readonly Given<'GET /groups/{name}'>[]): string {
  return table(groups, [
    { title: 'NAME', value: ({ name }) => name },
    { title: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
  ])
}

/** Which there are the service knows, and says so. */
function scopesOf(texts: readonly string[]): readonly Scope[] {
  return texts.flatMap((text) => text.split(/[\s,]+/)).filter((text) => text !== '') as Scope[]
}
