/** `firstlight transfer`: vouchers on their way to partners and from them, and the receipts. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { fromBase64 } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { readReceipt } from '../../../protocol/transfer/receipt.ts'
import type { ApiClient } from '../api-client.ts'
import { run, runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { guidOf } from '../guid.ts'
import { facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'
import { transferRuleCommand } from '../transfer-rules.ts'
import { addSendCommand } from '../transfer-send.ts'
import { readVoucher } from './voucher.ts'

interface TransferView {
  readonly id: string
  readonly partner: string
  readonly guid: string
  readonly state: string
  readonly attempts: number
  readonly next_at: string | null
  readonly last_error: string | null
}

interface SourceView {
  readonly id: string
  readonly name: string
  readonly every_seconds: number | null
  readonly last_at: string | null
  readonly last_error: string | null
}

interface PullResult {
  readonly taken: number
  readonly known: number
  readonly failed: readonly { readonly id: string; readonly reason: string }[]
  readonly more: boolean
}

export function transferCommand(): Command {
  const transfer = new Command('transfer').description(
    'vouchers on their way to partners and from them',
  )
  addSendCommand(transfer)
  addPushCommands(transfer)
  addPullCommands(transfer)
  addReceiptCommands(transfer)
  addProfileCommand(transfer)
  transfer.addCommand(transferRuleCommand())
  return transfer
}

function addPushCommands(transfer: Command): void {
  runWithApi<{ state?: string; partner?: string; guid?: string }>(
    transfer
      .command('list')
      .description('list what is, or was, to be pushed')
      .option('--state <state>', 'waiting, delivered or failed')
      .option('--partner <id>', 'to this partner')
      .option('--guid <guid>', 'of this voucher'),
    async (api, { state, partner, guid }, output) => {
      const wanted = { state, partner, guid: guid && guidOf(guid) }
      const query = new URLSearchParams()
      for (const [name, value] of Object.entries(wanted)) if (value) query.set(name, value)
      const items = await api.list<TransferView>(`/api/v1/transfers?${query}`)
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'GUID', value: (one) => one.guid },
          { title: 'STATE', value: (one) => one.state },
          { title: 'TRIES', value: ({ attempts }) => attempts, right: true },
          { title: 'PARTNER', value: (one) => one.partner },
          { title: 'LAST ERROR', value: ({ last_error }) => last_error },
        ]),
      )
    },
  )
  runWithApi(
    transfer.command('show').description('how one went so far').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      output.result(await api.json<TransferView>(`/api/v1/transfers/${segment(id)}`), page)
    },
  )
  runWithApi(
    transfer.command('retry').description('push it now, one that failed, too').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const path = `/api/v1/transfers/${segment(id)}/retry`
      output.result(await api.json<TransferView>(path, { method: 'POST' }), page)
    },
  )
}

function addPullCommands(transfer: Command): void {
  runWithApi(
    transfer.command('sources').description('list the partners that vouchers are pulled from'),
    async (api, _options, output) => {
      const items = await api.list<SourceView>('/api/v1/transfer-sources')
      output.result(items, (rows) =>
        table(rows, [
          { title: 'PARTNER', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'EVERY', value: ({ every_seconds: s }) => (s === null ? 'if asked' : `${s} s`) },
          { title: 'LAST', value: ({ last_at }) => last_at },
          { title: 'LAST ERROR', value: ({ last_error }) => last_error },
        ]),
      )
    },
  )
  runWithApi(
    transfer
      .command('pull')
      .description('fetch what a partner holds for us')
      .argument('<partner>', 'its id'),
    async (api, _options, output, [partner = '']) => {
      const pulled = await pullAll(api, partner)
      output.result(pulled, ({ taken, known, failed }) =>
        [
          `${taken} taken in, ${known} known before, ${failed.length} failed`,
          ...failed.map(({ id, reason }) => `${id}: ${reason}`),
        ].join('\n'),
      )
      if (pulled.failed.length > 0) {
        throw new CliFailure('check-failed', `${pulled.failed.length} vouchers were not taken in`)
      }
    },
  )
  runWithApi<{ every: string }>(
    transfer
      .command('schedule')
      .description('say how often vouchers are pulled from a partner')
      .argument('<partner>', 'its id')
      .requiredOption('--every <time>', 'such as 10m or 1d; never: only when asked to'),
    async (api, { every }, output, [partner = '']) => {
      const json = { every_seconds: every === 'never' ? null : secondsOf(every) }
      const path = `/api/v1/transfer-sources/${segment(partner)}`
      const source = await api.json<SourceView>(path, { method: 'PUT', json })
      output.result(source, ({ name }) => `${name}: ${every === 'never' ? 'if asked' : every}`)
    },
  )
}

/** The service answers after so many; what it has taken in it knows the next time. */
async function pullAll(api: ApiClient, partner: string): Promise<PullResult> {
  const path = `/api/v1/transfer-sources/${segment(partner)}/pull`
  let taken = 0
  for (;;) {
    const one = await api.json<PullResult>(path, { method: 'POST' })
    if (!one.more) return { ...one, taken: taken + one.taken, known: one.known - taken }
    taken += one.taken
  }
}

function addReceiptCommands(transfer: Command): void {
  runWithApi(
    transfer.command('receipts').description('the receipts for a voucher').argument('<guid>'),
    async (api, _options, output, [guid = '']) => {
      const { items } = await api.json<{ items: readonly Record<string, string | null>[] }>(
        `/api/v1/transfer-receipts?guid=${guidOf(guid)}`,
      )
      output.result(items, (rows) =>
        table(rows, [
          { title: 'DIRECTION', value: (row) => row['direction'] },
          { title: 'AT', value: (row) => row['at'] },
          { title: 'PEER', value: (row) => row['peer'] },
          { title: 'RECEIPT', value: (row) => row['receipt'] },
        ]),
      )
    },
  )
  run(
    transfer
      .command('verify-receipt')
      .description('check that a voucher was received, by the signature of who it was sold to')
      .argument('<voucher>', 'a file, PEM or CBOR')
      .argument('<receipt>', 'a file, COSE or base64'),
    async (_options, output, [voucher = '', receipt = '']) => {
      const { receivedAt, sender } = await verified(voucher, receipt)
      const received = { received_at: new Date(receivedAt * 1000).toISOString(), sender }
      output.result(received, ({ received_at }) =>
        facts([
          ['received', received_at],
          ['sender', sender],
        ]),
      )
    },
  )
}

async function verified(voucher: string, receipt: string) {
  const content = readFileSync(receipt)
  const encoded = fromBase64(content.toString('latin1').replaceAll(/\s+/g, '')) ?? content
  try {
    return await readReceipt(encoded, readVoucher(voucher))
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw new CliFailure('check-failed', cause.message, { cause })
  }
}

function addProfileCommand(transfer: Command): void {
  runWithApi<{ public?: boolean; private?: boolean }>(
    transfer
      .command('profile')
      .description('how partners find us')
      .option('--public', 'let the world find us by our did:web')
      .option('--private', 'do not'),
    async (api, options, output) => {
      if (options.public && options.private) {
        throw new CliFailure('usage', '--public and --private: one of them')
      }
      const path = '/api/v1/transfer-profile'
      const isChange = options.public === true || options.private === true
      const json = { public: options.public === true }
      const profile = await api.json<Record<string, string | boolean | null>>(
        path,
        isChange ? { method: 'PUT', json } : {},
      )
      output.result(profile, ({ did, push_url, pull_url, public: isPublic }) =>
        facts([
          ['did', did ? `${did}${isPublic ? '' : ' (not public)'}` : 'none: there is no HTTPS'],
          ['push to', String(push_url)],
          ['pull from', String(pull_url)],
        ]),
      )
    },
  )
}

function segment(id: string): string {
  return encodeURIComponent(id)
}

function page({ id, guid, partner, state, attempts, next_at, last_error }: TransferView): string {
  return facts([
    ['id', id],
    ['guid', guid],
    ['partner', partner],
    ['state', state],
    ['tries', attempts],
    ['next', next_at],
    ['last error', last_error],
  ])
}
