/** `firstlight station`: from where devices may be made. */
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { facts, table } from '../output.ts'

type StationView = Given<'GET /stations/{id}'>

interface AddOptions {
  readonly name: string
  readonly allow?: string[]
  readonly clientCa?: string
  readonly secret?: boolean
  readonly listener?: 'http' | 'https'
}

export function stationCommand(): Command {
  const station = new Command('station').description('from where devices may be made')
  runWithApi<AddOptions>(
    station
      .command('add')
      .description('add a station; its secret is shown this once, in the URL for its devices')
      .requiredOption('--name <name>', 'what it is called')
      .option('--allow <range...>', 'addresses or ranges it calls from, such as 10.0.0.0/8')
      .option('--client-ca <file>', 'the CAs one of which has issued its client certificate (PEM)')
      .option('--secret', 'have a secret made that stands in the path of the DI URL')
      .addOption(
        new Option('--listener <name>', 'which listener it calls; either without it').choices([
          'http',
          'https',
        ]),
      ),
    async (api, { name, allow = [], clientCa, secret = false, listener }, output) => {
      const added = await call(api, 'POST /stations', {
        json: {
          ...{ name, secret, allow: allow.flatMap((one) => one.split(',')) },
          ...(listener !== undefined && { listener }),
          ...(clientCa !== undefined && { client_cas: readFileSync(clientCa, 'utf8') }),
        },
      })
      output.result(added, ({ id, di_url }) =>
        facts([
          ['station', id],
          ['devices are made at', di_url],
        ]),
      )
    },
  )
  runWithApi(
    station.command('list').description('list the stations'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /stations', { limit: 500 })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'KNOWN BY', value: knownBy },
        ]),
      )
    },
  )
  runWithApi(
    station.command('show').description('one station').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      output.result(await call(api, 'GET /stations/{id}', { params: { id } }), (one) =>
        facts([
          ['station', one.id],
          ['name', one.name],
          ['known by', knownBy(one)],
          ['added', one.created_at],
        ]),
      )
    },
  )
  runWithApi(
    station
      .command('remove')
      .description('remove a station: no device is made there any more')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /stations/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
  return station
}

function knownBy({ allow, client_cas, has_secret, listener }: StationView): string {
  const ways = [
    ...(has_secret ? ['its secret'] : []),
    ...(client_cas === null ? [] : ['a client certificate']),
    ...(allow.length > 0 ? [allow.join(' ')] : []),
    ...(listener === null ? [] : [`by ${listener}`]),
  ]
  return ways.join(', ')
}
