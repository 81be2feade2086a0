/** `firstlight transfer`: vouchers on their way to partners and from them, and the receipts. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { fromBase64 } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { readReceipt } from '../../../protocol/transfer/receipt.ts'
import { type Given, call, listAll } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { run, runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { guidOf } from '../guid.ts'
import { facts, table } from '../output.ts'
import { findPartner } from '../partner-proof.ts'
import { secondsOf } from '../time.ts'
import { transferRuleCommand } from '../transfer-rules.ts'
import { addSendCommand } from '../transfer-send.ts'
import { readVoucher } from './voucher.ts'

type Transfer = Given<'GET /transfers/{id}'>
type Pulled = Given<'POST /transfer-sources/{id}/pull'>

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
      .option('--partner <partner>', 'to this partner, by its id or name')
      .option('--guid <guid>', 'of this voucher'),
    async (api, { state, partner, guid }, output) => {
      const items = await listAll(api, 'GET /transfers', {
        state: state === undefined ? undefined : stateOf(state),
        partner: partner === undefined ? undefined : (await findPartner(api, partner)).id,
        guid: guid === undefined ? undefined : guidOf(guid),
      })
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
      output.result(await call(api, 'GET /transfers/{id}', { params: { id } }), page)
    },
  )
  runWithApi(
    transfer.command('retry').description('push it now, one that failed, too').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      output.result(await call(api, 'POST /transfers/{id}/retry', { params: { id } }), page)
    },
  )
}

function addPullCommands(transfer: Command): void {
  runWithApi(
    transfer.command('sources').description('list the partners that vouchers are pulled from'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /transfer-sources', {})
      output.result(items, (rows) =>
        table(rows, [
          { title: 'PARTNER', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'EVERY', value: ({ every_seconds: s }) => (s === null ? 'if asked' : `${s} s`) },
          { title: 'LAST', value: ({ last_at }) => last_at?.slice(0, 19) },
          { title: 'LAST ERROR', value: ({ last_error }) => last_error },
        ]),
      )
    },
  )
  runWithApi(
    transfer
      .command('pull')
      .description('fetch what a partner holds for us')
      .argument('<partner>', 'its id or name'),
    async (api, _options, output, [called = '']) => {
      const { id } = await findPartner(api, called)
      const pulled = await pullAll(api, id)
      output.result(pulled, ({ taken, known, failed }) =>
        [
          `${taken} taken in, ${known} known before, ${failed.length} failed`,
          ...failed.map(({ id, reason }) => `${id}: ${reason}`),
        ].join('\n'),
      )
      if (pulled.failed.length > 0) {
        throw new CliFailure('check-failed', `not taken in: ${pulled.failed.length}`)
      }
    },
  )
  runWithApi<{ every: string }>(
    transfer
      .command('schedule')
      .description('say how often vouchers are pulled from a partner')
      .argument('<partner>', 'its id or name')
      .requiredOption('--every <time>', 'such as 10m or 1d; never: only when asked to'),
    async (api, { every }, output, [called = '']) => {
      const json = { every_seconds: every === 'never' ? null : secondsOf(every) }
      const { id } = await findPartner(api, called)
      const source = await call(api, 'PUT /transfer-sources/{id}', { params: { id }, json })
      output.result(source, ({ name }) => `${name}: ${every === 'never' ? 'if asked' : every}`)
    },
  )
}

/** The service answers after so many; what it has taken in it knows the next time. */
async function pullAll(api: ApiClient, id: string): Promise<Pulled> {
  let taken = 0
  for (;;) {
    const one = await call(api, 'POST /transfer-sources/{id}/pull', { params: { id } })
    if (!one.more) return { ...one, taken: taken + one.taken, known: one.known - taken }
    taken += one.taken
  }
}

function addReceiptCommands(transfer: Command): void {
  runWithApi(
    transfer.command('receipts').description('the receipts for a voucher').argument('<guid>'),
    async (api, _options, output, [guid = '']) => {
      const { items } = await call(api, 'GET /transfer-receipts', { query: { guid: guidOf(guid) } })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'DIRECTION', value: ({ direction }) => direction },
          { title: 'AT', value: ({ at }) => at.slice(0, 19) },
          { title: 'PEER', value: ({ peer }) => peer },
          { title: 'RECEIPT', value: ({ receipt }) => receipt },
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
      const isChange = options.public === true || options.private === true
      const json = { public: options.public === true }
      const profile = isChange
        ? await call(api, 'PUT /transfer-profile', { json })
        : await call(api, 'GET /transfer-profile', {})
      output.result(profile, ({ did, push_url, pull_url, public: isPublic }) =>
        facts([
          ['did', did ? `${did}${isPublic ? '' : ' (not public)'}` : 'none: there is no HTTPS'],
          ['push to', push_url],
          ['pull from', pull_url],
        ]),
      )
    },
  )
}

function stateOf(text: string): Transfer['state'] {
  if (text === 'waiting' || text === 'delivered' || text === 'failed') return text
  throw new CliFailure('usage', `--state: waiting, delivered or failed, not ${text}`)
}

function page({ id, guid, partner, state, attempts, next_at, last_error }: Transfer): string {
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
