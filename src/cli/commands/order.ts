/** `firstlight order`: how many devices are made, with what, for whom; and which have been. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { type Given, type Listed, call, listAll, pathOf } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import type { Operations } from '../api-types.d.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { type Output, facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'
import { addLineCommands } from './line-order.ts'

type Order = Given<'GET /orders/{id}'>
type NewOrder = Operations['POST /orders']['json']
type FirstOwner = NonNullable<NewOrder['first_owner']>
type Directives = NonNullable<NewOrder['rendezvous_info']>

const STATES = ['draft', 'open', 'closed'] as const

export function orderCommand(): Command {
  const order = new Command('order').description('production orders, and the devices made to them')
  addCreate(order)
  addState(order)
  addDevices(order)
  addLineCommands(order)
  return order
}

interface CreateOptions {
  readonly name: string
  readonly quantity: string
  readonly expires: string
  readonly model?: string
  readonly rendezvous?: string
  readonly firstOwner: string
  readonly rules?: string
  readonly station?: string[]
  readonly label?: string
  readonly uniqueSerials?: boolean
  readonly deviceCa?: string
}

function addCreate(order: Command): void {
  runWithApi<CreateOptions>(
    order
      .command('create')
      .description('place an order: a draft, until it is opened')
      .requiredOption('--name <name>', 'what it is called')
      .requiredOption('--quantity <count>', 'how many devices may be made')
      .option('--model <model>', 'the device info it is for; any without it')
      .option('--expires <time>', 'how long devices may be made to it, such as 12h or 90d', '90d')
      .option('--rendezvous <file>', 'rendezvous info (JSON); the setting without it')
      .option('--first-owner <whom>', 'self, none, a party, or a file of public keys (PEM)', 'self')
      .option('--rules <file>', 'first owners by model (JSON): [{"model":"M1","to":"self"}]')
      .option('--station <id...>', 'where it is made; at all stations without it')
      .option('--label <text>', 'with {guid} {serial} {model} {order} {number}')
      .option('--unique-serials', 'refuse a serial number that another device has')
      .option('--device-ca <file>', 'the CAs whose devices keep their certificate (PEM)'),
    async (api, options, output) => {
      const made = await call(api, 'POST /orders', { json: orderOf(options) })
      output.result(made, ({ id }) => id)
      output.note(`a draft: firstlight order open ${made.id} has devices made to it`)
    },
  )
  runWithApi<{ file: string }>(
    order
      .command('certificates')
      .description('tell of certificates that devices come with and keep')
      .argument('<id>')
      .argument('<file>', 'PEM: each with its issuers behind it'),
    async (api, _options, output, [id = '', file = '']) => {
      const told = await call(api, 'POST /orders/{id}/device-certificates', {
        params: { id },
        body: readFileSync(file),
        contentType: 'application/x-pem-file',
      })
      output.result(told.items, (rows) =>
        table(rows, [
          { title: 'RESULT', value: ({ ok }) => (ok ? 'taken' : 'refused') },
          { title: 'KEY', value: ({ key }) => key },
          { title: 'DETAIL', value: ({ detail }) => detail },
        ]),
      )
      if (!told.items.every(({ ok }) => ok)) process.exitCode = 5
    },
  )
}

function orderOf(options: CreateOptions): NewOrder {
  const { name, model, rendezvous, firstOwner, rules, station, label, deviceCa } = options
  const expires = new Date(Date.now() + secondsOf(options.expires) * 1000)
  return {
    name,
    quantity: Number(options.quantity),
    expires_at: expires.toISOString(),
    first_owner: rules === undefined ? wordOrFile(firstOwner) : readJson<FirstOwner>(rules),
    unique_serials: options.uniqueSerials ?? false,
    ...(model !== undefined && { model }),
    ...(rendezvous !== undefined && { rendezvous_info: readJson<Directives>(rendezvous) }),
    ...(station && { stations: station }),
    ...(label !== undefined && { label }),
    ...(deviceCa !== undefined && { device_cas: readFileSync(deviceCa, 'utf8') }),
  }
}

function wordOrFile(firstOwner: string): string {
  const isWord = firstOwner === 'self' || firstOwner === 'none' || /^fdop_/.test(firstOwner)
  return isWord ? firstOwner : readFileSync(firstOwner, 'utf8')
}

/** What may be in it is for the service to say. */
function readJson<T>(file: string): T {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new CliFailure('usage', `${file} is no JSON: ${cause.message}`, { cause })
  }
}

function addState(order: Command): void {
  runWithApi<{ state?: (typeof STATES)[number] }>(
    order
      .command('list')
      .description('list the orders')
      .addOption(new Option('--state <state>', 'only those in this state').choices([...STATES])),
    async (api, { state }, output) => {
      const items = await listAll(api, 'GET /orders', { limit: 500, state })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'STATE', value: stateOf },
          { title: 'MADE', value: ({ made }) => made, right: true },
          { title: 'OF', value: ({ quantity }) => quantity, right: true },
          { title: 'EXPIRES', value: ({ expires_at }) => expires_at.slice(0, 19) },
          { title: 'MODEL', value: ({ model }) => model ?? 'any' },
        ]),
      )
    },
  )
  runWithApi(
    order.command('show').description('an order, and how much is made').argument('<id>'),
    async (api, _options, output, [id = '']) =>
      output.result(await call(api, 'GET /orders/{id}', { params: { id } }), orderPage),
  )
  runWithApi(
    order.command('try').description('try the rendezvous info of a draft').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const tried = await call(api, 'POST /orders/{id}/try', { params: { id } })
      output.result(tried, orderPage)
      if (!tried.trial?.ok) process.exitCode = 5
    },
  )
  runWithApi<{ force?: boolean }>(
    order
      .command('open')
      .description('have devices made to it, once its rendezvous info has answered')
      .argument('<id>')
      .option('--force', 'although it has not: no device made can be told otherwise'),
    async (api, { force = false }, output, [id = '']) =>
      output.result(
        await call(api, 'POST /orders/{id}/open', { params: { id }, json: { force } }),
        orderPage,
      ),
  )
  runWithApi(
    order.command('close').description('have no more devices made to it').argument('<id>'),
    async (api, _options, output, [id = '']) =>
      output.result(await call(api, 'POST /orders/{id}/close', { params: { id } }), orderPage),
  )
  runWithApi(
    order.command('delete').description('remove an order never opened').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /orders/{id}', { params: { id } })
      output.result({ id, deleted: true }, () => `deleted ${id}`)
    },
  )
}

const DEVICES = 'GET /orders/{id}/devices'

function addDevices(order: Command): void {
  runWithApi<{ csv?: boolean; out?: string; after: string }>(
    order
      .command('devices')
      .description('the devices made to an order')
      .argument('<id>')
      .option('--csv', 'as CSV')
      .option('--out <file>', 'where the CSV goes; stdout without it')
      .option('--after <number>', 'only those made later', '0'),
    async (api, { csv, out, after }, output, [id = '']) => {
      if (!/^\d{1,9}$/.test(after)) throw new CliFailure('usage', `--after: no number: ${after}`)
      if (csv ?? out !== undefined) return writeCsv(api, { id, after, out }, output)
      const path = pathOf(DEVICES, { id }, { limit: 500, after: Number(after) })
      output.result(await api.list<Listed<typeof DEVICES>>(path), (rows) =>
        table(rows, [
          { title: 'NO', value: ({ number }) => number, right: true },
          { title: 'SERIAL', value: ({ serial }) => serial },
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'VOUCHER', value: ({ voucher_state }) => voucher_state },
          { title: 'LABEL', value: ({ label }) => label },
        ]),
      )
    },
  )
}

/** In one answer; devices are numbered without gaps. */
const LINES_AT_ONCE = 50_000

async function writeCsv(
  api: ApiClient,
  { id, after, out }: { id: string; after: string; out: string | undefined },
  output: Output,
): Promise<void> {
  const { made } = await call(api, 'GET /orders/{id}', { params: { id } })
  let text = ''
  let at = Number(after)
  do {
    const path = pathOf(DEVICES, { id }, { format: 'csv', after: at })
    const part = (await api.send(path, { accept: 'text/csv' })).body.toString()
    text += text === '' ? part : part.slice(part.indexOf('\n') + 1)
    at += LINES_AT_ONCE
  } while (at < made)
  if (out === undefined && !output.json) return void process.stdout.write(text)
  if (out !== undefined) writeFileSync(out, text)
  const written = out === undefined ? { csv: text } : { out }
  output.result({ id, made, ...written }, () => `written to ${out}`)
}

function stateOf({ state, is_expired }: Order): string {
  return state === 'open' && is_expired ? 'expired' : state
}

function orderPage(order: Order): string {
  const { id, name, model, made, quantity, expires_at, trial } = order
  const page = facts([
    ['order', id],
    ['name', name],
    ['state', stateOf(order)],
    ['model', model ?? 'any'],
    ['made', `${made} of ${quantity}`],
    ['expires', expires_at],
  ])
  if (!trial) return page
  const tried = trial.addresses.map(
    ({ url, ok, detail }) => `  ${ok ? 'answers' : 'SILENT '}  ${url}  ${detail}`,
  )
  const passedOver = trial.passed_over.map((reason) => `  passed over  ${reason}`)
  return [page, 'rendezvous info, as it was tried:', ...tried, ...passedOver].join('\n')
}
