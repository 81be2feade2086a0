/** `firstlight voucher`: ownership vouchers, in files and in the service. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { toHex } from '../../../protocol/bytes.ts'
import { extendVoucher } from '../../../protocol/voucher/extend.ts'
import { isPem, voucherToPem, vouchersFromPem } from '../../../protocol/voucher/pem.ts'
import { entryStyleOf, verifyVoucher } from '../../../protocol/voucher/verify.ts'
import { type Voucher, parseVoucher } from '../../../protocol/voucher/voucher.ts'
import type { PublicKey } from '../../../protocol/crypto/public-key.ts'
import { certificatesToPem, toPem } from '../../../protocol/x509/pem.ts'
import { call, listAll, pathOf } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import type { Operations } from '../api-types.d.ts'
import { run, runWithApi } from '../command.ts'
import { documentIn } from '../document.ts'
import { CliFailure } from '../failure.ts'
import { guidOf } from '../guid.ts'
import { readCertificates, readPrivateKey, readPublicKey } from '../key-files.ts'
import { type Output, progress, table } from '../output.ts'
import { KIB, type ImportResult, exportMany, importFile, sizeOf } from '../voucher-bundles.ts'
import { type FilterOptions, filterOf, withFilter } from '../voucher-filter.ts'
import { voucherPage, voucherText } from '../voucher-text.ts'

/** What may be in it is for the service to say. */
type TrustJson = Operations['PUT /trust-policy']['json']

export function voucherCommand(): Command {
  const voucher = new Command('voucher').description(
    'ownership vouchers, in files and in the service',
  )
  addFileCommands(voucher)
  addServiceCommands(voucher)
  return voucher
}

function addFileCommands(voucher: Command): void {
  run(
    voucher.command('show').description('what a voucher says').argument('<file>'),
    async (_options, output, [file = '']) => {
      output.result(voucherText(readVoucher(file)), voucherPage)
    },
  )
  run<{ ca?: string }>(
    voucher
      .command('verify')
      .description('check a voucher, every signature and hash')
      .argument('<file>')
      .option('--ca <file>', 'the device CAs to trust; without it any chain is taken'),
    async ({ ca }, output, [file = '']) => {
      const read = readVoucher(file)
      const anchors = ca === undefined ? {} : { anchors: readCertificates(ca) }
      const options = { now: new Date(), entryStyle: 'either', ...anchors } as const
      const verified = await verifyVoucher(read, options)
      if ('check' in verified) {
        const { check, detail } = verified
        throw new CliFailure('check-failed', `${check}: ${detail}`, { code: check })
      }
      const { entryStyle: entry_style } = verified
      const guid = toHex(read.header.value.guid)
      const note =
        entry_style === 'tagged' ? ', its entries signed as go-fdo has it in its draft' : ''
      const facts = { guid, ok: true, entries: read.entries.length, entry_style }
      output.result(facts, () => `${guid} is good${note}`)
    },
  )
  run<{ key: string; to: string; out: string }>(
    voucher
      .command('extend')
      .description('sell: sign a voucher over to the next owner')
      .argument('<file>')
      .requiredOption('--key <file>', 'the private key of the owner now')
      .requiredOption('--to <file>', "the next owner's public key or certificate")
      .requiredOption('--out <file>', 'where the extended voucher goes (PEM)'),
    async ({ key, to, out }, output, [file = '']) => {
      const read = readVoucher(file)
      const extended = await extendVoucher(read, readPrivateKey(key), readPublicKey(to), {
        entryStyle: await entryStyleOf(read),
      })
      writeFileSync(out, voucherToPem(extended))
      const made = voucherText(parseVoucher(extended))
      output.result({ ...made, out }, (value) => `${voucherPage(value)}\nwritten to ${value.out}`)
    },
  )
}

function addServiceCommands(voucher: Command): void {
  runWithApi(
    voucher
      .command('import')
      .description('give vouchers to the service: PEM, CBOR, tar or tar.gz, of one or many')
      .argument('<file...>'),
    async (api, _options, output, files) => {
      const bar = progress('importing, KiB', Math.ceil(sizeOf(files) / KIB))
      const results: (ImportResult & { file: string })[] = []
      try {
        for (const file of files) {
          for await (const result of importFile(api, file, bar)) results.push({ file, ...result })
        }
      } finally {
        bar.stop()
      }
      output.result(results, importTable)
      if (!results.every(({ ok }) => ok)) process.exitCode = 5
    },
  )
  runWithApi<ExportOptions>(
    withFilter(
      voucher
        .command('export')
        .description('a voucher of the service, or many of them, as a file')
        .argument('[guid]')
        .option('--format <format>', 'of a single one: pem or cbor', 'pem')
        .option('--out <file>', 'where it goes; many go to a .tar.gz or .pem file')
        .option('--all', 'all there are, those sold and replaced too'),
    ),
    (api, options, output, [guid]) =>
      guid === undefined
        ? exportFiltered(api, options, output)
        : exportOne(api, guidOf(guid), options, output),
  )
  runWithApi<{ to: string; unproven?: boolean }>(
    voucher
      .command('sell')
      .description('extend a voucher of the service to its next owner')
      .argument('<guid>')
      .requiredOption('--to <file>', "the next owner's public key or certificates; or: self")
      .option('--unproven', 'to a key, too, that nobody has proven to hold: there is no way back'),
    async (api, { to, unproven = false }, output, [guid = '']) => {
      const buyer = to === 'self' ? to : publicKeyToPem(readPublicKey(to))
      const params = { guid: guidOf(guid) }
      const sold = await call(api, 'POST /vouchers/{guid}/sell', {
        params,
        json: { to: buyer, unproven },
      })
      output.result(sold, ({ state, entries }) => `${guidOf(guid)}: sale ${entries}, ${state}`)
    },
  )
  runWithApi<FilterOptions>(
    withFilter(voucher.command('list').description('the vouchers of the service')),
    async (api, options, output) => {
      const items = await listAll(api, 'GET /vouchers', { limit: 500, ...filterOf(options) })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'GUID', value: ({ guid }) => guid },
          { title: 'STATE', value: ({ state }) => state },
          { title: 'SOLD', value: ({ entries }) => entries, right: true },
          { title: 'MADE', value: ({ created_at }) => created_at.slice(0, 19) },
          { title: 'DEVICE INFO', value: ({ device_info }) => device_info },
        ]),
      )
    },
  )
  runWithApi(
    voucher.command('delete').description('remove a voucher from the service').argument('<guid>'),
    async (api, _options, output, [guid = '']) => {
      await call(api, 'DELETE /vouchers/{guid}', { params: { guid: guidOf(guid) } })
      output.result({ guid: guidOf(guid), deleted: true }, (value) => `deleted ${value.guid}`)
    },
  )
  runWithApi(
    voucher
      .command('restore')
      .description('take back the removal of a voucher, within 30 days')
      .argument('<guid>'),
    async (api, _options, output, [guid = '']) => {
      const params = { guid: guidOf(guid) }
      const restored = await call(api, 'POST /vouchers/{guid}/restore', { params })
      output.result(restored, (value) => `restored ${value.guid}: ${value.state}`)
    },
  )
  runWithApi<{ set?: string }>(
    voucher
      .command('trust')
      .description('whose vouchers are taken in: device CAs, manufacturers, kinds of key')
      .option('--set <file>', 'replace it by this JSON document'),
    async (api, { set }, output) => {
      const json = set === undefined ? undefined : (documentIn(set) as TrustJson)
      const policy = json
        ? await call(api, 'PUT /trust-policy', { json })
        : await call(api, 'GET /trust-policy', {})
      output.result(policy, (one) => JSON.stringify(one, undefined, 2))
    },
  )
}

interface ExportOptions extends FilterOptions {
  readonly format: string
  readonly out?: string
  readonly all?: boolean
}

async function exportOne(
  api: ApiClient,
  guid: string,
  { format, out, all, ...filter }: ExportOptions,
  output: Output,
): Promise<void> {
  if (format !== 'pem' && format !== 'cbor') throw new CliFailure('usage', `no format ${format}`)
  if (all || filterOf(filter)) {
    throw new CliFailure('usage', 'name one voucher, or say which: not both')
  }
  const accept = format === 'pem' ? 'application/x-pem-file' : 'application/cbor'
  const { body } = await api.send(pathOf('GET /vouchers/{guid}', { guid }), { accept })
  if (out === undefined && !output.json) return void process.stdout.write(body)
  if (out !== undefined) writeFileSync(out, body)
  const sha256 = createHash('sha256').update(body).digest('hex')
  const text =
    out === undefined ? { voucher: body.toString(format === 'pem' ? 'utf8' : 'base64') } : { out }
  output.result({ guid, format, sha256, ...text }, () => `written to ${out}`)
}

async function exportFiltered(
  api: ApiClient,
  { all, out, ...options }: ExportOptions,
  output: Output,
): Promise<void> {
  const filter = filterOf(options)
  if (!all && !filter) {
    throw new CliFailure('usage', 'which vouchers?', { next: 'name one by its GUID, or say --all' })
  }
  if (out === undefined) {
    throw new CliFailure('usage', 'many vouchers go to a file', { next: '--out vouchers.tar.gz' })
  }
  const exported = await exportMany(api, filter ?? {}, out)
  output.result(exported, ({ bytes }) => `written to ${out}, ${bytes} bytes`)
}

function publicKeyToPem({ key, chain }: PublicKey): string {
  return chain ? certificatesToPem(chain) : toPem('PUBLIC KEY', key.spki)
}

function importTable(results: readonly (ImportResult & { file: string })[]): string {
  return table(results, [
    { title: 'RESULT', value: ({ ok }) => (ok ? 'imported' : 'refused') },
    { title: 'GUID', value: ({ guid }) => guid },
    { title: 'CHECK', value: ({ check }) => check },
    { title: 'FILE', value: ({ file }) => file },
    { title: 'DETAIL', value: ({ detail }) => detail },
  ])
}

/** The one voucher of a file, PEM or CBOR. */
export function readVoucher(path: string): Voucher {
  const content = contentOf(path)
  const [encoded, ...more] = isPem(content)
    ? vouchersFromPem(content.toString('latin1'))
    : [content]
  if (!encoded || more.length > 0) {
    throw new CliFailure(
      'failed',
      `${path} holds ${more.length + (encoded ? 1 : 0)} vouchers, not one`,
    )
  }
  return parseVoucher(encoded)
}

function contentOf(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    if (!/^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i.test(path)) throw cause
    throw new CliFailure('failed', `there is no file ${path}`, {
      ...{ code: 'file', cause },
      next: `if that is a GUID of the service: firstlight voucher export ${path} --out voucher.pem`,
    })
  }
}
