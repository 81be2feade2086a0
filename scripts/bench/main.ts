/**
 * `npm run bench`: what an onboarding costs the server, next to the bare cryptography it cannot do
 * without, timed in the same run. Server and load are processes of their own.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { Command } from 'commander'
import { suiteOf } from '../../src/cli/commands/fleet.ts'
import { facts } from '../../src/cli/output.ts'
import { percentile } from '../../src/fleet/report.ts'
import { floorTable, lower, round } from './figures.ts'
import { type Floor, measureFloor, onboarding } from './floor.ts'
import type { LoadPlan } from './load.ts'
import { type Measured, type Phases, meterOf, measured, runPhase, runPhases } from './phases.ts'
import { peakRssMb } from './process.ts'
import { type OwnService, startOwnService } from './service.ts'

interface BenchOptions {
  readonly json?: boolean
  readonly count: string
  readonly concurrency: string
  readonly suite: string
  readonly di?: string
  readonly rv?: string
  readonly owner?: string
  readonly pid?: string
  readonly voucherHook?: string
}

interface BenchReport {
  readonly version: 1
  readonly floor_ms: number
  readonly floor_ops: Floor['operations']
  /** What node:http by itself takes for as many messages, in this run. */
  readonly http_ms: number
  readonly cpu_ms: Record<'di' | 'to0' | 'to1' | 'to2' | 'total', number>
  readonly ratio: number
  readonly per_second: number
  readonly latency_ms: Record<'p50' | 'p95' | 'p99', number>
  readonly peak_rss_mb: number
  readonly ready_ms: number | null
  readonly errors: Record<string, number>
  readonly count: number
  readonly concurrency: number
  readonly node: string
}

/** Pairs of 68 and 69 of the default plan: devmod, then the request and what it takes. */
const SERVICE_INFO_ROUNDS = 2
// Some 16,000 messages: the first few thousand are the compiler's.
const WARM_UP_DEVICES = 1000

async function bench(options: BenchOptions): Promise<BenchReport> {
  const own = options.di === undefined ? await startOwnService() : undefined
  const load = fork(join(import.meta.dirname, 'load.js'))
  const bare = await startBareServer()
  try {
    const pids = own ? [own.pid] : (options.pid ?? '').split(',').filter(Boolean).map(Number)
    const meter = meterOf(pids)
    const plan = planOf(options, bare.url, own)
    await runPhases({ ...plan, count: WARM_UP_DEVICES }, load, meter, own)
    const before = measureFloor(onboarding(SERVICE_INFO_ROUNDS))
    const phases = await runPhases(plan, load, meter, own)
    const after = measureFloor(onboarding(SERVICE_INFO_ROUNDS))
    const http = await measured(meterOf([bare.pid]), () => runPhase(load, 'bare'))
    const rss = peakRssMb(pids)
    const floor = lower(before, after)
    return reportOf(plan, phases, { floor, http, rss, readyMs: own?.readyMs ?? null })
  } finally {
    bare.stop()
    load.disconnect()
    await own?.stop()
  }
}

async function startBareServer() {
  const server = fork(join(import.meta.dirname, 'bare-http.js'))
  const [url] = (await once(server, 'message')) as [string]
  return { url, pid: server.pid ?? 0, stop: () => server.disconnect() }
}

function planOf(options: BenchOptions, bare: string, own: OwnService | undefined): LoadPlan {
  const { rv, owner, voucherHook } = options
  return {
    count: Number(options.count),
    concurrency: Number(options.concurrency),
    suite: suiteOf(options.suite),
    bare,
    di: options.di ?? own?.url ?? '',
    ...(rv !== undefined && { rv }),
    ...(owner !== undefined && { owner }),
    ...(voucherHook !== undefined && { voucherHook }),
  }
}

/** What was measured beside the phases. */
interface Surroundings {
  readonly floor: Floor
  readonly http: Measured
  readonly rss: number
  readonly readyMs: number | null
}

function reportOf(
  plan: LoadPlan,
  { di, to0, to1, to2 }: Phases,
  { floor, http, rss, readyMs }: Surroundings,
): BenchReport {
  const each = (phase: Measured) => round(phase.cpuMs / plan.count)
  const cpu = { di: each(di), to0: each(to0), to1: each(to1), to2: each(to2) }
  const total = round(cpu.di + cpu.to0 + cpu.to1 + cpu.to2)
  // A device waits for both protocols, one after the other.
  const latencies = to2.latencies.map((ms, i) => ms + (to1.latencies[i] ?? 0)).sort((a, b) => a - b)
  const errors = { ...to1.errors }
  for (const [code, times] of Object.entries(to2.errors)) errors[code] = (errors[code] ?? 0) + times
  return {
    version: 1,
    floor_ms: round(floor.ms),
    floor_ops: floor.operations,
    http_ms: each(http),
    cpu_ms: { ...cpu, total },
    ratio: round(total / floor.ms),
    per_second: round(to2.latencies.length / (to1.seconds + to2.seconds)),
    latency_ms: {
      p50: percentile(latencies, 50),
      p95: percentile(latencies, 95),
      p99: percentile(latencies, 99),
    },
    peak_rss_mb: rss,
    ready_ms: readyMs,
    errors,
    count: plan.count,
    concurrency: plan.concurrency,
    node: process.version,
  }
}

function page(report: BenchReport): string {
  const { cpu_ms, latency_ms, errors } = report
  return [
    'The floor: what no server can do without, for one onboarding',
    floorTable({ operations: report.floor_ops }),
    '',
    facts([
      ['floor', `${report.floor_ms} ms`],
      ['bare HTTP', `${report.http_ms} ms for as many messages, by node:http itself`],
      ['server CPU', `${cpu_ms.total} ms a device: ${report.ratio} × the floor`],
      ['  DI', `${cpu_ms.di} ms`],
      ['  TO0', `${cpu_ms.to0} ms`],
      ['  TO1', `${cpu_ms.to1} ms`],
      ['  TO2', `${cpu_ms.to2} ms`],
      ['onboardings', `${report.per_second} a second, ${report.concurrency} at a time`],
      ['latency', `p50 ${latency_ms.p50}, p95 ${latency_ms.p95}, p99 ${latency_ms.p99} ms`],
      ['peak memory', `${report.peak_rss_mb} MB`],
      ['ready after', report.ready_ms === null ? 'not started here' : `${report.ready_ms} ms`],
      ['errors', Object.keys(errors).length === 0 ? 'none' : JSON.stringify(errors)],
    ]),
  ].join('\n')
}

const OTHERS: Readonly<Record<string, () => Promise<unknown>>> = {
  import: () => import('./import.ts'),
  transfer: () => import('./transfer.ts'),
  renewal: () => import('./renewal.ts'),
  scale: () => import('./scale/scale.ts'),
}
await (OTHERS[process.argv[2] ?? ''] ?? benchOnboarding)()

async function benchOnboarding(): Promise<void> {
  const options = new Command('bench')
    .option('--json', 'one JSON document on stdout')
    .option('--count <n>', 'how many devices', '1000')
    .option('--concurrency <c>', 'how many at a time', '8')
    .option('--suite <kex/cipher>', 'key exchange and cipher suite', 'ECDH256/1')
    .option('--di <url>', 'measure this server instead of our own')
    .option('--rv <url>', 'its rendezvous')
    .option('--owner <url>', 'its owner service')
    .option('--pid <pids>', 'its processes, comma-separated')
    .option('--voucher-hook <command>', 'hands the vouchers of the GUIDs on its stdin to its owner')
    .parse()
    .opts<BenchOptions>()

  const report = await bench(options)
  process.stdout.write(`${options.json ? JSON.stringify(report) : page(report)}\n`)
  if (Object.keys(report.errors).length > 0) process.exitCode = 1
}
