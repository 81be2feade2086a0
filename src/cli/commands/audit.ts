/** `firstlight audit`: what happened, whether the log is whole, and who outside keeps watch over it. */
import { Command } from 'commander'
import { fromHex } from '../../../protocol/bytes.ts'
import { toPem } from '../../../protocol/x509/pem.ts'
import type { EntryView } from '../../audit/lines.ts'
import type { Fork } from '../../audit/missed.ts'
import { call, listAll, pathOf } from '../api.ts'
import { ApiClient, type ApiOptions } from '../api-client.ts'
import { type Anchors, verifiedText, verifyLog } from '../audit/verify.ts'
import { exportLog } from '../audit/export.ts'
import { witnessLog, witnessedText } from '../audit/witness.ts'
import { addApiOptions, run, runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { readPublicKey } from '../key-files.ts'
import { missedInFile, missedText } from '../missed.ts'
import { table } from '../output.ts'
import { periodOf } from '../time.ts'

export function auditCommand(): Command {
  const audit = new Command('audit').description('what happened: the log, and whether it is whole')
  addReading(audit)
  addVerify(audit)
  addMissed(audit)
  addWitnessing(audit)
  addWitnesses(audit)
  return audit
}

interface ListOptions {
  readonly guid?: string
  readonly device?: string
  readonly type?: string
  readonly since?: string
  readonly until?: string
  readonly limit: string
}

function addReading(audit: Command): void {
  runWithApi<ListOptions>(
    audit
      .command('list')
      .description('what happened, newest first')
      .option('--guid <guid>', 'to one voucher')
      .option('--device <id>', 'to one device, through all its vouchers')
      .option('--type <type>', 'of one kind, such as voucher-handed-over')
      .option('--since <time>', 'a time, or how long ago: 2026-01-31T12:00:00Z, 90m, 7d')
      .option('--until <time>', 'the same')
      .option('--limit <number>', 'no more than so many', '50'),
    async (api, options, output) => {
      const entries: EntryView[] = []
      const limit = countOf(options.limit)
      const path = pathOf('GET /audit', {}, queryOf(options, limit))
      for await (const entry of api.items<EntryView>(path)) {
        if (entries.push(entry) === limit) break
      }
      output.result(entries, entryTable)
    },
  )
  runWithApi(
    audit.command('head').description('the last entry and its hash: note it elsewhere'),
    async (api, _options, output) => {
      output.result(
        await call(api, 'GET /audit/head', {}),
        ({ party, seq, hash, at }) => `${party} ${seq}:${hash} ${at ?? '(empty)'}`,
      )
    },
  )
  runWithApi(
    audit.command('countersignatures').description('heads that witnesses have signed'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /audit/countersignatures', {}), (rows) =>
        table(rows, [
          { title: 'SEQ', value: ({ seq }) => seq, right: true },
          { title: 'AT', value: ({ witnessed_at }) => witnessed_at.slice(0, 19) },
          { title: 'WITNESS', value: ({ witness }) => witness },
        ]),
      )
    },
  )
  runWithApi<{ out?: string; from: string }>(
    audit
      .command('export')
      .description('the whole log as JSON lines, with its countersignatures')
      .option('--out <file>', 'where it goes; stdout without it')
      .option('--from <seq>', 'begin with this entry', '1'),
    async (api, { out, from }, output) => {
      if (out === undefined && output.json) {
        throw new CliFailure('usage', '--json prints one document, and an export is many lines', {
          next: 'add --out FILE, or leave --json away',
        })
      }
      const done = await exportLog(api, { out, from: countOf(from) })
      if (out !== undefined) output.result({ ...done, out }, () => `written to ${out}`)
    },
  )
}

function addVerify(audit: Command): void {
  const command = addApiOptions(
    audit
      .command('verify')
      .description('check every link of the log; exit status 5 names the first that is broken')
      .option('--file <file>', 'an export, instead of the log of the service')
      .option('--witness <file...>', 'public keys: of each a head must have been countersigned')
      .option('--state <file...>', 'what witnesses have kept: the log must lead to those heads')
      .option('--head <seq:hash...>', 'heads noted before: the log must lead to them'),
  )
  run<Anchors & ApiOptions & { file?: string }>(command, async (options, output) => {
    const source = options.file ?? new ApiClient(options)
    output.result(await verifyLog(source, options), verifiedText)
  })
}

function addMissed(audit: Command): void {
  runWithApi(
    audit
      .command('missed')
      .description('after a restoration: what a newer log tells that the service does not know')
      .argument('<file>', 'an export of the log from before the loss, newer than the back-up'),
    async (api, _options, output, [file = '']) => {
      output.result(await missedInFile(await lastFork(api), file), missedText)
    },
  )
}

/** Where the service's log went on otherwise: before the entry that tells of its restoration. */
async function lastFork(api: ApiClient): Promise<Fork> {
  const path = '/api/v1/audit?type=restored&limit=1'
  const { items } = await api.json<{ items: EntryView[] }>(path)
  const [restored] = items
  if (restored) {
    const { party, seq, previous } = restored
    return { party, seq: seq - 1, hash: fromHex(previous) }
  }
  throw new CliFailure('refused', 'this service was never restored from a back-up', {
    code: 'not-restored',
  })
}

function addWitnessing(audit: Command): void {
  runWithApi<{ key: string; state: string }>(
    audit
      .command('witness')
      .description('as a witness: check what is new since the last time, and countersign it')
      .requiredOption('--key <file>', "the witness's private key")
      .requiredOption('--state <file>', 'where the witness keeps the last head it signed'),
    async (api, options, output) => {
      output.result(await witnessLog(api, options), witnessedText)
    },
  )
}

function addWitnesses(audit: Command): void {
  const witnesses = audit.command('witnesses').description('who may countersign the log')
  runWithApi<{ name: string }>(
    witnesses
      .command('add')
      .description('take countersignatures of this key')
      .argument('<file>', 'its public key or certificate')
      .requiredOption('--name <name>', 'who that is'),
    async (api, { name }, output, [file = '']) => {
      const public_key = toPem('PUBLIC KEY', readPublicKey(file).key.spki)
      const added = await call(api, 'POST /audit/witnesses', { json: { name, public_key } })
      output.result(added, ({ fingerprint }) => `added ${name} ${fingerprint}`)
    },
  )
  runWithApi(
    witnesses.command('list').description('list the witnesses'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /audit/witnesses', {}), (rows) =>
        table(rows, [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'ADDED', value: ({ created_at }) => created_at.slice(0, 19) },
          { title: 'FINGERPRINT', value: ({ fingerprint }) => fingerprint },
        ]),
      )
    },
  )
  runWithApi(
    witnesses
      .command('remove')
      .description('take no more countersignatures of this key')
      .argument('<fingerprint>'),
    async (api, _options, output, [fingerprint = '']) => {
      await call(api, 'DELETE /audit/witnesses/{fingerprint}', { params: { fingerprint } })
      output.result({ fingerprint, removed: true }, () => `removed ${fingerprint}`)
    },
  )
}

function queryOf({ guid, device, type, ...period }: ListOptions, limit: number) {
  return {
    limit: Math.min(limit, 500),
    guid: guid?.replaceAll('-', '').toLowerCase(),
    ...{ device, type, ...periodOf(period) },
  }
}

function countOf(text: string): number {
  const count = Number(text)
  if (/^\d{1,15}$/.test(text) && count > 0) return count
  throw new CliFailure('usage', `not a number from 1 on: ${text}`)
}

function entryTable(entries: readonly EntryView[]): string {
  return table(entries, [
    { title: 'SEQ', value: ({ seq }) => seq, right: true },
    { title: 'AT', value: ({ at }) => at.slice(0, 19) },
    { title: 'TYPE', value: ({ type }) => type },
    { title: 'BY', value: ({ by }) => by },
    {
      title: 'ABOUT',
      value: ({ subject: { guid, device, id } }) => (guid ?? device ?? id)?.slice(0, 36),
    },
    { title: 'DETAIL', value: ({ detail }) => detail && JSON.stringify(detail) },
  ])
}
