/**
 * `firstlight order export`, `shares`, `line`, `import` and `issuer`: a share of an order for a line
 * that has a service of its own and may be offline. It gets the order as a signed file.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { type Given, type Listed, call, listAll, pathOf } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'
import { addHandOver } from './hand-over.ts'

type Share = Given<'GET /order-shares/{id}'>

export function addLineCommands(order: Command): void {
  addLine(order)
  addExport(order)
  addShares(order)
  addImport(order)
  addHandOver(order)
  order.addCommand(issuerCommand())
}

function addLine(order: Command): void {
  runWithApi(
    order
      .command('line')
      .description('the key by which this service signs orders, and is known as a line'),
    async (api, _options, output) => {
      const keys = await listAll(api, 'GET /keys', { limit: 500 })
      const [newest] = keys
        .filter(({ purpose, type }) => purpose === 'manufacturer' && type === 'p256')
        .toSorted((a, b) => (a.created_at < b.created_at ? 1 : -1))
      if (!newest) {
        const next = 'FIRSTLIGHT_ROLES has to name manufacturer'
        throw new CliFailure('refused', 'this service makes no devices', { next })
      }
      output.result({ line: newest.fingerprint }, ({ line }) => line)
    },
  )
}

interface ExportOptions {
  readonly out: string
  readonly line?: string
  readonly share?: string
  readonly quantity?: string
  readonly station?: string[]
  readonly expires?: string
  readonly force?: boolean
}

function addExport(order: Command): void {
  runWithApi<ExportOptions>(
    order
      .command('export')
      .description('reserve a part of an order for a line, and write it to a file for it')
      .argument('<id>')
      .requiredOption('--out <file>', 'where it goes')
      .option('--line <fingerprint>', 'the line it is for: what firstlight order line says there')
      .option('--quantity <count>', 'how many it may make; all that are left without it')
      .option('--station <name...>', 'at which of its stations; at all without it')
      .option('--expires <time>', 'how long, such as 12h or 30d; as long as the order without it')
      .option('--share <share>', 'write the file of one that was reserved before once more')
      .option('--force', 'although the rendezvous info of a draft does not answer'),
    async (api, options, output, [id = '']) => {
      const { out, share } = options
      const { document, ...given } =
        share === undefined
          ? await reserve(api, id, options)
          : await call(api, 'GET /order-shares/{id}', { params: { id: share } })
      writeFileSync(out, document)
      const { id: named, quantity, line } = given
      output.result({ ...given, out }, () => `${named}: ${quantity} for line ${line}, in ${out}`)
    },
  )
}

async function reserve(api: ApiClient, id: string, options: ExportOptions): Promise<Share> {
  const { line, quantity, station = [], expires, force = false } = options
  if (line === undefined) {
    const next = 'firstlight order line, at the line, says what to give as --line'
    throw new CliFailure('usage', 'for which line?', { next })
  }
  const params = { id }
  const { state } = await call(api, 'GET /orders/{id}', { params })
  // What cannot be made anywhere is not given away, either.
  if (state === 'draft') await call(api, 'POST /orders/{id}/open', { params, json: { force } })
  const json = {
    ...{ line, stations: station },
    ...(quantity !== undefined && { quantity: Number(quantity) }),
    ...(expires !== undefined && { expires_at: timeIn(expires) }),
  }
  return call(api, 'POST /orders/{id}/shares', { params, json })
}

function timeIn(text: string): string {
  return new Date(Date.now() + secondsOf(text) * 1000).toISOString()
}

function addShares(order: Command): void {
  runWithApi(
    order
      .command('shares')
      .description('what lines make of an order, and how much of it has come')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const path = pathOf('GET /orders/{id}/shares', { id }, { limit: 500 })
      output.result(await api.list<Listed<'GET /orders/{id}/shares'>>(path), (rows) =>
        table(rows, [
          { title: 'SHARE', value: (share) => share.id },
          { title: 'STATE', value: stateOf },
          { title: 'HERE', value: ({ made }) => made, right: true },
          { title: 'TO COME', value: ({ reserved }) => reserved, right: true },
          { title: 'OF', value: ({ quantity }) => quantity, right: true },
          { title: 'EXPIRES', value: ({ expires_at }) => expires_at.slice(0, 19) },
          { title: 'LINE', value: ({ line }) => line },
        ]),
      )
    },
  )
}

function stateOf({ state, is_expired }: Omit<Share, 'document'>): string {
  return state === 'open' && is_expired ? 'expired' : state
}

interface ImportOptions {
  readonly issuer?: string
  readonly station?: string[]
  readonly name?: string
}

function addImport(order: Command): void {
  runWithApi<ImportOptions>(
    order
      .command('import')
      .description('take in an order exported for this line, and have devices made to it')
      .argument('<file>')
      .option('--issuer <fingerprint>', 'trust this key from now on: its owner has told you so')
      .option('--station <id...>', 'where it is made, if the file does not say; at all without it')
      .option('--name <name>', 'what it is called here'),
    async (api, { issuer, station = [], name }, output, [file = '']) => {
      const taken = await call(api, 'POST /order-documents', {
        json: {
          ...{ document: readFileSync(file, 'utf8'), stations: station },
          ...(issuer !== undefined && { issuer }),
          ...(name !== undefined && { name }),
        },
      })
      output.result(taken, ({ order: { id, name: called, quantity, state }, is_new }) =>
        is_new
          ? `${id}: ${quantity} to be made to ${called}`
          : `${id}: here already, ${state}; nothing has changed`,
      )
    },
  )
}

function issuerCommand(): Command {
  const issuer = new Command('issuer').description('whose orders are taken in here')
  runWithApi(issuer.command('list').description('list them'), async (api, _options, output) => {
    const items = await listAll(api, 'GET /order-issuers', { limit: 500 })
    output.result(items, (rows) =>
      table(rows, [
        { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
        { title: 'WHO', value: ({ name }) => name },
        { title: 'SINCE', value: ({ created_at }) => created_at.slice(0, 19) },
      ]),
    )
  })
  runWithApi(
    issuer
      .command('remove')
      .description('take in no more orders signed with a key')
      .argument('<fingerprint>'),
    async (api, _options, output, [fingerprint = '']) => {
      await call(api, 'DELETE /order-issuers/{fingerprint}', { params: { fingerprint } })
      output.result({ fingerprint, removed: true }, (gone) =>
        facts([['no longer trusted', gone.fingerprint]]),
      )
    },
  )
  return issuer
}
