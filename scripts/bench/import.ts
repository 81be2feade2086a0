/**
 * `npm run bench -- import`: what taking in vouchers by the thousand costs, as each kind of file,
 * and giving them out again. Each file goes to a service of its own, which sees it twice.
 */
import { Command } from 'commander'
import { facts, table } from '../../src/cli/output.ts'
import { type Cost, costOf, floorTable, lower, round } from './figures.ts'
import { type Floor, measureFloor } from './floor.ts'
import { peakRssMb } from './process.ts'
import { type OwnService, startOwnService } from './service.ts'
import { importing } from './voucher-floor.ts'
import { type Factory, FORMATS, type Files, bringKey, openFactory, takeIn } from './vouchers.ts'

interface Row {
  readonly what: string
  readonly vouchers: number
  readonly per_second: number
  /** Milliseconds of the server's processor time for one voucher. */
  readonly cpu_ms: number
  readonly ratio: number
}

interface ImportReport {
  readonly version: 1
  readonly count: number
  readonly floor_ms: number
  readonly floor_ops: Floor['operations']
  readonly rows: readonly Row[]
  readonly peak_rss_mb: Record<keyof Files, number>
  readonly node: string
}

/** The compiler's: other vouchers, that go the same ways. */
const WARM_UP_VOUCHERS = 500

type Measured = readonly [what: string, vouchers: number, Cost][]

async function measureImports(count: number): Promise<ImportReport> {
  if (!(count > 0)) throw new Error('--count: a number above 0')
  const factory = await openFactory()
  try {
    const warmUp = await factory.make(WARM_UP_VOUCHERS)
    const files = await factory.make(count)
    const before = measureFloor(importing())
    const measured: Measured[number][] = []
    const peak_rss_mb = { 'tar.gz': 0, pem: 0 }
    for (const format of FORMATS) {
      const service = await openHolder(factory)
      try {
        await warm(service, format, warmUp[format])
        measured.push(...(await measureOne(service, format, { file: files[format], count })))
        peak_rss_mb[format] = peakRssMb([service.pid])
      } finally {
        await service.stop()
      }
    }
    const floor = lower(before, measureFloor(importing()))
    const { ms, operations: floor_ops } = floor
    const rows = measured.map(([what, vouchers, cost]) => rowOf(what, vouchers, cost, ms))
    return {
      ...{ version: 1, count, floor_ms: round(ms), floor_ops, rows },
      ...{ peak_rss_mb, node: process.version },
    }
  } finally {
    await factory.stop()
  }
}

/** A fresh service that has the key all vouchers were sold to. */
async function openHolder(factory: Factory): Promise<OwnService> {
  const service = await startOwnService({
    FIRSTLIGHT_ROLES: 'owner',
    FIRSTLIGHT_TRUST: factory.maker.caFile,
  })
  await bringKey(service, factory)
  return service
}

async function warm(service: OwnService, format: keyof Files, file: Buffer): Promise<void> {
  await takeIn(service, file, WARM_UP_VOUCHERS)
  await takeIn(service, file, WARM_UP_VOUCHERS)
  await giveOut(service, format)
}

async function measureOne(
  service: OwnService,
  format: keyof Files,
  { file, count }: { readonly file: Buffer; readonly count: number },
): Promise<Measured> {
  const pids = [service.pid]
  const all = count + WARM_UP_VOUCHERS
  return [
    [`import ${format}`, count, await costOf(pids, () => takeIn(service, file, count))],
    [`again, ${format}`, count, await costOf(pids, () => takeIn(service, file, count))],
    [`export ${format}`, all, await costOf(pids, () => giveOut(service, format))],
  ]
}

async function giveOut({ api }: OwnService, format: keyof Files): Promise<void> {
  await api.send(`/api/v1/vouchers/export?format=${format}`, { accept: '*/*' })
}

function rowOf(what: string, vouchers: number, { seconds, cpuMs }: Cost, floorMs: number): Row {
  const cpu = (cpuMs[0] ?? 0) / vouchers
  return {
    what,
    vouchers,
    per_second: Math.round(vouchers / seconds),
    cpu_ms: round(cpu),
    ratio: round(cpu / floorMs),
  }
}

function page(report: ImportReport): string {
  return [
    'The floor: what nobody can do without who takes in a voucher of one entry',
    floorTable({ operations: report.floor_ops }),
    '',
    table(report.rows, [
      { title: 'WHAT', value: ({ what }) => what },
      { title: 'VOUCHERS', value: ({ vouchers }) => vouchers, right: true },
      { title: 'A SECOND', value: ({ per_second }) => per_second, right: true },
      { title: 'SERVER CPU (ms each)', value: ({ cpu_ms }) => cpu_ms, right: true },
      { title: '× FLOOR', value: ({ ratio }) => ratio, right: true },
    ]),
    '',
    facts([
      ['floor', `${report.floor_ms} ms`],
      ['peak memory', FORMATS.map((one) => `${report.peak_rss_mb[one]} MB (${one})`).join(', ')],
    ]),
  ].join('\n')
}

const options = new Command('import')
  .option('--json', 'one JSON document on stdout')
  .option('--count <n>', 'how many vouchers', '2000')
  .parse(process.argv.slice(3), { from: 'user' })
  .opts<{ readonly json?: boolean; readonly count: string }>()

const report = await measureImports(Number(options.count))
process.stdout.write(`${options.json ? JSON.stringify(report) : page(report)}\n`)
