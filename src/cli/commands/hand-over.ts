/**
 * `firstlight order hand-over`: brings what was made to an order to the service that placed it, and
 * gives back what was not, once the order is closed. Whoever is broken off begins once more.
 */
import type { Command } from 'commander'
import { type Given, call, pathOf } from '../api.ts'
import { ApiClient } from '../api-client.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { progress, table } from '../output.ts'

/** Bytes of JSON in one request: the receiver takes a mebibyte, and devices of 200,000 at most. */
const MOST_AT_ONCE = 700_000
const MOST_DEVICES = 50

type Made = Given<'GET /orders/{id}/devices'>['items'][number]
type Result = Given<'POST /order-shares/{id}/devices'>['items'][number]

interface HandedOver {
  readonly number: number
  readonly guid: string
  readonly ok: boolean
  readonly detail: string | null
}

interface Options {
  readonly to?: string
  readonly toTokenFile: string
  readonly toCa?: string
  readonly after: string
}

export function addHandOver(order: Command): void {
  runWithApi<Options>(
    order
      .command('hand-over')
      .description('bring what was made to an order to where it was placed; may be repeated')
      .argument('<id>')
      .requiredOption('--to-token-file <file>', 'a file with the token to show there')
      .option('--to <url>', 'the service it was placed at; as the order says without it')
      .option('--to-ca <file>', 'the CA of its certificate')
      .option('--after <number>', 'only those made later', '0'),
    async (api, options, output, [id = '']) => {
      const { source, state } = await call(api, 'GET /orders/{id}', { params: { id } })
      if (!source) {
        const next = 'firstlight order import takes in those that were placed elsewhere'
        throw new CliFailure('refused', `order ${id} was placed here`, { next })
      }
      const receiver = receiverOf(options, source.url)
      const devices = await handOverAll({ api, receiver, share: source.share }, id, options.after)
      const closed = state === 'closed'
      const share = closed ? await giveBack(api, receiver, id, source.share) : null
      output.result({ devices, share }, (told) => pageOf(told.devices, told.share))
      if (!devices.every(({ ok }) => ok)) process.exitCode = 5
      else if (!closed) output.note(`once no more are made: firstlight order close ${id}`)
    },
  )
}

function receiverOf({ to, toTokenFile, toCa }: Options, url: string): ApiClient {
  const ca = toCa === undefined ? {} : { ca: toCa }
  return new ApiClient({ url: to ?? url, tokenFile: toTokenFile, ...ca })
}

interface Way {
  readonly api: ApiClient
  readonly receiver: ApiClient
  readonly share: string
}

async function handOverAll(way: Way, id: string, after: string): Promise<HandedOver[]> {
  if (!/^\d{1,9}$/.test(after)) throw new CliFailure('usage', `--after: no number: ${after}`)
  const path = pathOf('GET /orders/{id}/devices', { id }, { limit: 500, after: Number(after) })
  const made = await way.api.list<Made>(path)
  const bar = progress('handing over', made.length)
  const results: HandedOver[] = []
  try {
    for await (const some of batches(way.api, made)) {
      results.push(...(await handOver(way, some)))
      bar.advance(some.length)
    }
  } finally {
    bar.stop()
  }
  return results.toSorted((a, b) => a.number - b.number)
}

interface Loaded {
  readonly made: Made
  /** CBOR; undefined where it has been deleted. */
  readonly voucher: Buffer | undefined
}

/** As many as one request may hold. */
async function* batches(api: ApiClient, made: readonly Made[]): AsyncGenerator<Loaded[]> {
  let [batch, size]: [Loaded[], number] = [[], 0]
  for (const one of made) {
    const voucher = one.voucher === null ? undefined : await fetchVoucher(api, one.voucher)
    const length = (voucher?.length ?? 0) * 1.4 + JSON.stringify(one).length
    if (batch.length > 0 && (size + length > MOST_AT_ONCE || batch.length >= MOST_DEVICES)) {
      yield batch
      ;[batch, size] = [[], 0]
    }
    batch.push({ made: one, voucher })
    size += length
  }
  if (batch.length > 0) yield batch
}

async function fetchVoucher(api: ApiClient, path: string): Promise<Buffer> {
  return (await api.send(`${path}?format=cbor`, { accept: 'application/cbor' })).body
}

async function handOver({ receiver, share }: Way, some: readonly Loaded[]): Promise<HandedOver[]> {
  const gone = some.filter(({ voucher }) => voucher === undefined)
  const there = some.filter(({ voucher }) => voucher !== undefined)
  const devices = there.map(({ made: { serial, label, station, made_at }, voucher }) => ({
    ...{ serial, label, station, made_at },
    voucher: voucher?.toString('base64') ?? '',
  }))
  const items: readonly Result[] =
    devices.length === 0
      ? []
      : (
          await call(receiver, 'POST /order-shares/{id}/devices', {
            params: { id: share },
            json: { devices },
          })
        ).items
  return [
    ...there.map(({ made: { number, guid } }, i) => ({ number, guid, ...outcomeOf(items[i]) })),
    ...gone.map(({ made: { number, guid } }) => ({
      ...{ number, guid, ok: false },
      detail: `its voucher was deleted: firstlight voucher restore ${guid}`,
    })),
  ]
}

function outcomeOf(result: Result | undefined): Pick<HandedOver, 'ok' | 'detail'> {
  if (!result) return { ok: false, detail: 'no answer' }
  const { ok, check, detail } = result
  return { ok, detail: check === null ? detail : `${check}: ${detail}` }
}

async function giveBack(api: ApiClient, receiver: ApiClient, id: string, share: string) {
  const { statement } = await call(api, 'POST /orders/{id}/closing-statement', { params: { id } })
  const params = { id: share }
  return call(receiver, 'POST /order-shares/{id}/close', { params, json: { statement } })
}

function pageOf(
  devices: readonly HandedOver[],
  share: Given<'POST /order-shares/{id}/close'> | null,
): string {
  const rows = table(devices, [
    { title: 'NO', value: ({ number }) => number, right: true },
    { title: 'GUID', value: ({ guid }) => guid },
    { title: 'RESULT', value: ({ ok }) => (ok ? 'handed over' : 'refused') },
    { title: 'DETAIL', value: ({ detail }) => detail },
  ])
  if (!share) return rows
  return `${rows}\n${share.quantity - share.made} of ${share.quantity} were given back`
}
