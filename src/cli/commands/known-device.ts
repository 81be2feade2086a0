/** `firstlight device`: the devices that the service knows. */
import { type Command, Option } from 'commander'
import { call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { type Named, byName, deviceNamed } from '../named-device.ts'
import { facts, table } from '../output.ts'

const STATES = [
  ...(['manufactured', 'owned', 'registered', 'onboarding'] as const),
  ...(['onboarded', 'failed', 'handed-over', 'retired'] as const),
]

export function addKnownDeviceCommands(device: Command): void {
  addList(device)
  addGet(device)
  addRegister(device)
  addRetire(device)
}

function addList(device: Command): void {
  interface ListOptions {
    readonly state?: (typeof STATES)[number]
    readonly group?: string
    readonly model?: string
    readonly serial?: string
  }
  runWithApi<ListOptions>(
    device
      .command('list')
      .description('the devices of the service')
      .addOption(new Option('--state <state>', 'only those in this state').choices(STATES))
      .option('--group <group>', 'only those of this group')
      .option('--model <model>', 'only those of this model')
      .option('--serial <serial>', 'only those of this serial number'),
    async (api, { state, group, model, serial }, output) => {
      const items = await listAll(api, 'GET /devices', {
        ...{ limit: 500, state, group, model, serial },
      })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'STATE', value: ({ state }) => state },
          { title: 'TO0', value: ({ to0 }) => to0?.state },
          { title: 'GROUP', value: ({ group }) => group },
          { title: 'SERIAL', value: ({ serial }) => serial },
          { title: 'MODEL', value: ({ model }) => model },
        ]),
      )
    },
  )
}

function addGet(device: Command): void {
  runWithApi<Named>(
    byName(device.command('get').description('one device and how it got there')),
    async (api, { serial }, output, [name]) => {
      const params = await deviceNamed(api, name, serial)
      output.result(await call(api, 'GET /devices/{device}', { params }), (one) =>
        facts([
          ['id', one.id],
          ['GUID', one.guid],
          ['state', one.state],
          ['serial', one.serial],
          ['model', one.model],
          ['group', one.group],
          ['TO0', one.to0 && `${one.to0.state} ${one.to0.last_error ?? ''}`],
          ...serverFacts(one.to0?.servers),
          ...one.history.map(({ at, type }) => [at.slice(0, 19), type] as const),
        ]),
      )
    },
  )
}

function addRegister(device: Command): void {
  runWithApi<Named>(
    byName(
      device.command('register').description('tell its rendezvous servers now where its owner is'),
    ),
    async (api, { serial }, output, [name]) => {
      const params = await deviceNamed(api, name, serial)
      const one = await call(api, 'POST /devices/{device}/register', { params })
      output.result(one, ({ guid }) => `${guid} is being registered`)
    },
  )
}

function addRetire(device: Command): void {
  runWithApi<Named>(
    byName(
      device
        .command('retire')
        .description('take a device out of service: revoke its certificates, delete its vouchers'),
    ),
    async (api, { serial }, output, [name]) => {
      const params = await deviceNamed(api, name, serial)
      const one = await call(api, 'POST /devices/{device}/retire', { params })
      output.result(one, ({ guid }) => `${guid} is out of service`)
    },
  )
}

interface To0ServerView {
  readonly url: string
  readonly state: string
  readonly last_error: string | null
}

/** Each rendezvous, and what is wrong with it. */
function serverFacts(servers: readonly To0ServerView[] | undefined) {
  return (servers ?? []).map(
    ({ url, state, last_error }) => ['rendezvous', `${url} ${state} ${last_error ?? ''}`] as const,
  )
}
