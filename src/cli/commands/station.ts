/** `firstlight station`: from where devices may be made. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { runWithApi } from '../command.ts'
import { facts, table } from '../output.ts'

interface StationView {
  readonly id: string
  readonly name: string
  readonly allow: readonly string[]
  readonly client_cas: string | null
  readonly has_secret: boolean
  readonly listener: string | null
  readonly created_at: string
}

interface AddOptions {
  readonly name: string
  readonly allow?: string[]
  readonly clientCa?: string
  readonly secret?: boolean
  readonly listener?: string
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
      .option('--listener <name>', 'which listener it calls: http or https; either without it'),
    async (api, { name, allow = [], clientCa, secret = false, listener }, output) => {
      const added = await api.json<StationView & { di_url: string }>('/api/v1/stations', {
        method: 'POST',
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
      const items = await api.list<StationView>('/api/v1/stations?limit=500')
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
    station
      .command('remove')
      .description('remove a station: no device is made there any more')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await api.send(`/api/v1/stations/${encodeURIComponent(id)}`, { method: 'DELETE' })
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
