/**
 * `firstlight order export`, `import` and `hand-over`: an order for a line that has a service of its
 * own and may be offline. It gets the order as a file, and brings the vouchers when it can.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { toPem } from '../../../protocol/x509/pem.ts'
import { ApiClient } from '../api-client.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { progress, table } from '../output.ts'

interface Order {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly model: string | null
  readonly quantity: number
  readonly made: number
  readonly first_owner: readonly { readonly model?: string; readonly to: string }[]
  readonly rendezvous_info: readonly object[]
  readonly unique_serials: boolean
  readonly label: string
  readonly device_cas: string | null
  readonly expires_at: string
  readonly trial: { readonly ok: boolean } | null
}

interface Key {
  readonly purpose: string
  readonly type: string
  readonly origin: string
  /** SPKI, base64. */
  readonly public_key: string
  readonly created_at: string
}

/** What came of a voucher, in the order in which they were sent. */
interface ImportResult {
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
}

const FORMAT = 'firstlight-order-1'
/** Vouchers in one request. */
const AT_ONCE = 50

export function addLineCommands(order: Command): void {
  addExport(order)
  addImport(order)
  addHandOver(order)
}

function addExport(order: Command): void {
  runWithApi<{ out: string; force?: boolean }>(
    order
      .command('export')
      .description('give an order never opened to a line of its own service; closed here for good')
      .argument('<id>')
      .requiredOption('--out <file>', 'where it goes (JSON)')
      .option('--force', 'although its rendezvous info does not answer'),
    async (api, { out, force }, output, [id = '']) => {
      const path = orderPath(id)
      const found = await api.json<Order>(path)
      if (found.state === 'open' || found.made > 0) {
        throw new CliFailure('refused', `devices are made to it here: order ${id} is open`, {
          next: 'firstlight order create places another order, for the line',
        })
      }
      if (found.state === 'draft') {
        const { trial } = await api.json<Order>(`${path}/try`, { method: 'POST' })
        if (!trial?.ok && !force) {
          throw new CliFailure('check-failed', 'its rendezvous info does not answer', {
            next: `firstlight order show ${id}`,
          })
        }
      }
      const document = { format: FORMAT, order: id, body: orderBody(found, await ownerKeys(api)) }
      writeFileSync(out, `${JSON.stringify(document, null, 2)}\n`)
      // Two must not make the same quantity: what the line has is not made here.
      await api.json(`${path}/close`, { method: 'POST' })
      output.result({ id, out }, () => `written to ${out}`)
    },
  )
}

/** What `POST /orders` takes; "self" is whoever gives the order. */
function orderBody(order: Order, self: string) {
  const { name, model, quantity, rendezvous_info, unique_serials, label, expires_at } = order
  const mayNot = order.first_owner.find(({ to }) => to === 'none' || /^fdop_/.test(to))
  if (mayNot) {
    throw new CliFailure('refused', `a line cannot sell to ${mayNot.to}`, {
      next: 'have the order sold to self, or to public keys',
    })
  }
  const first_owner = order.first_owner.map((rule) =>
    rule.to === 'self' ? { ...rule, to: self } : rule,
  )
  return {
    ...{ name, quantity, rendezvous_info, first_owner, unique_serials, label, expires_at },
    ...(model !== null && { model }),
    ...(order.device_cas !== null && { device_cas: order.device_cas }),
  }
}

/** In PEM, of each kind the one that is used now. */
async function ownerKeys(api: ApiClient): Promise<string> {
  const keys = (await api.list<Key>('/api/v1/keys?limit=500'))
    .filter(({ purpose, origin }) => purpose === 'owner' && origin === 'made')
    .toSorted((a, b) => (a.created_at < b.created_at ? -1 : 1))
  const newest = new Map(keys.map((key) => [key.type, key]))
  return [...newest.values()]
    .map(({ public_key }) => toPem('PUBLIC KEY', Buffer.from(public_key, 'base64')))
    .join('')
}

function addImport(order: Command): void {
  runWithApi<{ station?: string[] }>(
    order
      .command('import')
      .description('take in an order exported elsewhere, and have devices made to it')
      .argument('<file>')
      .option('--station <id...>', 'where it is made; at all stations without it'),
    async (api, { station }, output, [file = '']) => {
      const body = { ...bodyOf(file), ...(station && { stations: station }) }
      const made = await api.json<Order>('/api/v1/orders', { method: 'POST', json: body })
      // It was tried where it was exported; from here the rendezvous may be out of reach.
      const opened = await api.json<Order>(`${orderPath(made.id)}/open`, {
        ...{ method: 'POST', json: { force: true } },
      })
      output.result(opened, ({ id, name, quantity }) => `${id}: ${quantity} to be made to ${name}`)
    },
  )
}

function bodyOf(file: string): object {
  const no = (cause?: unknown) =>
    new CliFailure('failed', `${file} is no order that was exported`, { code: 'file', cause })
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (cause instanceof SyntaxError) throw no(cause)
    throw cause
  }
  const { format, body } = Object(document) as { readonly format?: unknown; body?: unknown }
  if (format !== FORMAT || typeof body !== 'object' || body === null) throw no()
  return body
}

interface MadeDevice {
  readonly number: number
  readonly guid: string
  /** Null where the voucher has been deleted. */
  readonly voucher: string | null
}

interface HandedOver {
  readonly number: number
  readonly guid: string
  readonly ok: boolean
  readonly detail: string | null
}

function addHandOver(order: Command): void {
  runWithApi<{ to: string; toTokenFile: string; toCa?: string; after: string }>(
    order
      .command('hand-over')
      .description('bring the vouchers of an order to another service; may be repeated')
      .argument('<id>')
      .requiredOption('--to <url>', 'the service they go to')
      .requiredOption('--to-token-file <file>', 'a file with the token to show it')
      .option('--to-ca <file>', 'the CA of its certificate')
      .option('--after <number>', 'only those of devices made later', '0'),
    async (api, { to, toTokenFile, toCa, after }, output, [id = '']) => {
      const receiver = new ApiClient({
        ...{ url: to, tokenFile: toTokenFile },
        ...(toCa !== undefined && { ca: toCa }),
      })
      const path = `${orderPath(id)}/devices?limit=500&after=${encodeURIComponent(after)}`
      const devices = await api.list<MadeDevice>(path)
      const bar = progress('handing over', devices.length)
      const results: HandedOver[] = []
      try {
        for (let i = 0; i < devices.length; i += AT_ONCE) {
          const some = devices.slice(i, i + AT_ONCE)
          results.push(...(await handOver(api, receiver, some)))
          bar.advance(some.length)
        }
      } finally {
        bar.stop()
      }
      output.result(results, (rows) =>
        table(rows, [
          { title: 'NO', value: ({ number }) => number, right: true },
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'RESULT', value: ({ ok }) => (ok ? 'handed over' : 'refused') },
          { title: 'DETAIL', value: ({ detail }) => detail },
        ]),
      )
      if (!results.every(({ ok }) => ok)) process.exitCode = 5
    },
  )
}

/** What the receiver holds already it says so of: nothing is lost where this was broken off. */
async function handOver(
  api: ApiClient,
  receiver: ApiClient,
  made: readonly MadeDevice[],
): Promise<HandedOver[]> {
  const devices = made.filter(({ voucher }) => voucher !== null)
  const gone = made
    .filter(({ voucher }) => voucher === null)
    .map(({ number, guid }) => ({ number, guid, ok: false, detail: 'its voucher was deleted' }))
  if (devices.length === 0) return gone
  const vouchers = await Promise.all(
    devices.map(({ guid }) =>
      api.send(`/api/v1/vouchers/${guid}?format=pem`, { accept: 'application/x-pem-file' }),
    ),
  )
  const { items } = await receiver.json<{ items: ImportResult[] }>('/api/v1/vouchers', {
    method: 'POST',
    body: Buffer.concat(vouchers.map(({ body }) => body)),
    contentType: 'application/x-pem-file',
    orStatus: 422,
  })
  const brought = devices.map(({ number, guid }, i) => {
    const { ok = false, check = null, detail = 'no answer' } = items[i] ?? {}
    return { number, guid, ok, detail: check === null ? detail : `${check}: ${detail}` }
  })
  return [...brought, ...gone]
}

function orderPath(id: string): string {
  return `/api/v1/orders/${encodeURIComponent(id)}`
}
