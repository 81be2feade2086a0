/**
 * `npm run bench -- transfer`: what a sale from one installation to another costs each of them,
 * fetched by the buyer or pushed by the seller, and signed for. Two services, a process each.
 */
import { Command } from 'commander'
import { facts, table } from '../../src/cli/output.ts'
import { type Cost, costOf, floorTable, lower, round } from './figures.ts'
import { type Floor, measureFloor } from './floor.ts'
import { peakRssMb } from './process.ts'
import { openTrade } from './trade.ts'
import { transferring } from './voucher-floor.ts'

type Side = 'seller' | 'buyer'

interface Row {
  readonly what: string
  readonly per_second: number
  /** Milliseconds of processor time for one voucher. */
  readonly cpu_ms: Record<Side, number>
}

interface TransferReport {
  readonly version: 1
  readonly count: number
  readonly floor_ms: Record<Side, number>
  readonly floor_ops: Record<Side, Floor['operations']>
  readonly rows: readonly Row[]
  /** Of a sale and what brought the voucher to the buyer, to the floor. */
  readonly ratio: Record<'pull' | 'push', Record<Side, number>>
  readonly peak_rss_mb: Record<Side, number>
  readonly node: string
}

/** The compiler's. */
const WARM_UP_VOUCHERS = 200

async function measureTransfers(count: number): Promise<TransferReport> {
  if (!(count > 0)) throw new Error('--count: a number above 0')
  const trade = await openTrade(2 * (WARM_UP_VOUCHERS + count))
  const pids = [trade.seller.pid, trade.buyer.pid]
  try {
    await trade.sell(WARM_UP_VOUCHERS)
    await trade.pull(WARM_UP_VOUCHERS)
    const before = floors()
    const sale = await costOf(pids, () => trade.sell(count))
    const pull = await costOf(pids, () => trade.pull(count))
    await trade.push(WARM_UP_VOUCHERS)
    const push = await costOf(pids, () => trade.push(count))
    const after = floors()
    const floor = {
      seller: lower(before.seller, after.seller),
      buyer: lower(before.buyer, after.buyer),
    }
    return {
      ...{ version: 1, count, ...figuresOf(floor, { sale, pull, push }, count) },
      peak_rss_mb: { seller: peakRssMb([trade.seller.pid]), buyer: peakRssMb([trade.buyer.pid]) },
      node: process.version,
    }
  } finally {
    await trade.stop()
  }
}

function floors(): Record<Side, Floor> {
  const { seller, buyer } = transferring()
  return { seller: measureFloor(seller), buyer: measureFloor(buyer) }
}

function figuresOf(
  { seller, buyer }: Record<Side, Floor>,
  { sale, pull, push }: Record<'sale' | 'pull' | 'push', Cost>,
  count: number,
) {
  const each = ({ cpuMs: [ofSeller = 0, ofBuyer = 0] }: Cost) => ({
    seller: round(ofSeller / count),
    buyer: round(ofBuyer / count),
  })
  const row = (what: string, cost: Cost): Row => ({
    what,
    per_second: Math.round(count / cost.seconds),
    cpu_ms: each(cost),
  })
  const toFloor = (cpu: Record<Side, number>) => ({
    seller: round(cpu.seller / seller.ms),
    buyer: round(cpu.buyer / buyer.ms),
  })
  const [sold, pulled, pushed] = [each(sale), each(pull), each(push)]
  const fetched = { seller: sold.seller + pulled.seller, buyer: sold.buyer + pulled.buyer }
  return {
    floor_ms: { seller: round(seller.ms), buyer: round(buyer.ms) },
    floor_ops: { seller: seller.operations, buyer: buyer.operations },
    rows: [row('sale', sale), row('pull', pull), row('sale and push', push)],
    ratio: { pull: toFloor(fetched), push: toFloor(pushed) },
  }
}

function page({ floor_ms, floor_ops, rows, ratio, peak_rss_mb }: TransferReport): string {
  return [
    'The floor, at the seller and at the buyer',
    floorTable({ operations: floor_ops.seller }),
    floorTable({ operations: floor_ops.buyer }),
    '',
    table(rows, [
      { title: 'WHAT', value: ({ what }) => what },
      { title: 'A SECOND', value: ({ per_second }) => per_second, right: true },
      { title: 'SELLER CPU (ms each)', value: ({ cpu_ms }) => cpu_ms.seller, right: true },
      { title: 'BUYER CPU (ms each)', value: ({ cpu_ms }) => cpu_ms.buyer, right: true },
    ]),
    '',
    facts([
      ['floor', `${floor_ms.seller} ms at the seller, ${floor_ms.buyer} ms at the buyer`],
      ['sold, pulled', `${ratio.pull.seller} and ${ratio.pull.buyer} × the floor`],
      ['sold, pushed', `${ratio.push.seller} and ${ratio.push.buyer} × the floor`],
      ['peak memory', `${peak_rss_mb.seller} MB at the seller, ${peak_rss_mb.buyer} at the buyer`],
    ]),
  ].join('\n')
}

const options = new Command('transfer')
  .option('--json', 'one JSON document on stdout')
  .option('--count <n>', 'how many vouchers, each way', '500')
  .parse(process.argv.slice(3), { from: 'user' })
  .opts<{ readonly json?: boolean; readonly count: string }>()

const report = await measureTransfers(Number(options.count))
process.stdout.write(`${options.json ? JSON.stringify(report) : page(report)}\n`)
