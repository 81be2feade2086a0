/**
 * `npm run bench -- renewal`: what keeping a device registered costs its owner and the rendezvous,
 * each a process of its own, and what that comes to for a maker of many devices.
 */
import { Command } from 'commander'
import { facts, table } from '../../src/cli/output.ts'
import { round } from './figures.ts'
import { cpuMs, peakRssMb } from './process.ts'
import { type OwnService, startOwnService } from './service.ts'
import { makeDevicesFor } from './vouchers.ts'

interface RenewalOptions {
  readonly json?: boolean
  readonly count: string
  readonly rounds: string
  readonly alive: string
}

interface RenewalReport {
  readonly version: 1
  readonly count: number
  readonly rounds: number
  /** Processor time for one renewal: TO0, from the voucher read to the row written. */
  readonly cpu_ms: { readonly owner: number; readonly rendezvous: number }
  readonly per_second: number
  readonly peak_rss_mb: { readonly owner: number; readonly rendezvous: number }
  readonly alive: number
  /** By the days a registration is granted for. */
  readonly steady: readonly SteadyLoad[]
  readonly node: string
}

interface SteadyLoad {
  readonly days: number
  readonly renewals_per_second: number
  /** Of one core, in hundredths. */
  readonly owner_percent: number
  readonly rendezvous_percent: number
}

/** See Place: a registration is renewed when so much of its time is over. */
const RENEW_AFTER = 0.8
const DAYS = [30, 7, 1]
const DAY_SECONDS = 86_400
/** The first thousands of messages are the compiler's. */
const WARM_UP_ROUNDS = 2

async function measureRenewals(options: RenewalOptions): Promise<RenewalReport> {
  const [count, rounds, alive] = [options.count, options.rounds, options.alive].map(Number)
  if (!count || !rounds || !alive) throw new Error('--count, --rounds, --alive: numbers above 0')
  const rendezvous = await startOwnService({
    FIRSTLIGHT_ROLES: 'rendezvous',
    FIRSTLIGHT_TRUST: 'any',
  })
  const owner = await startOwnService({ FIRSTLIGHT_ROLES: 'manufacturer,owner' })
  try {
    await makeDevicesFor(owner, count, rendezvous.url)
    await owner.registered(count)
    for (let i = 0; i < WARM_UP_ROUNDS; i++) await renewAll(owner, count)
    const before = times(owner, rendezvous)
    let seconds = 0
    for (let i = 0; i < rounds; i++) seconds += await renewAll(owner, count)
    const after = times(owner, rendezvous)
    const each = (name: keyof typeof after) => (after[name] - before[name]) / (count * rounds)
    const cpu_ms = { owner: each('owner'), rendezvous: each('rendezvous') }
    return {
      version: 1,
      count,
      rounds,
      cpu_ms: { owner: round(cpu_ms.owner), rendezvous: round(cpu_ms.rendezvous) },
      per_second: round((count * rounds) / seconds),
      peak_rss_mb: { owner: peakRssMb([owner.pid]), rendezvous: peakRssMb([rendezvous.pid]) },
      alive,
      steady: DAYS.map((days) => steadyLoad(days, alive, cpu_ms)),
      node: process.version,
    }
  } finally {
    await owner.stop()
    await rendezvous.stop()
  }
}

/** Every registration once; gives how long it took, less the wait that sees its end. */
async function renewAll(owner: OwnService, count: number): Promise<number> {
  const before = await owner.registered(0)
  const started = performance.now()
  await owner.registerAgain()
  await owner.registered(before + count)
  return (performance.now() - started) / 1000
}

function times(owner: OwnService, rendezvous: OwnService) {
  return { owner: cpuMs([owner.pid]), rendezvous: cpuMs([rendezvous.pid]) }
}

function steadyLoad(days: number, alive: number, cpu: RenewalReport['cpu_ms']): SteadyLoad {
  const perSecond = alive / (days * DAY_SECONDS * RENEW_AFTER)
  return {
    days,
    renewals_per_second: round(perSecond),
    owner_percent: round((perSecond * cpu.owner) / 10),
    rendezvous_percent: round((perSecond * cpu.rendezvous) / 10),
  }
}

function page({ cpu_ms, per_second, peak_rss_mb, alive, steady, ...report }: RenewalReport) {
  return [
    facts([
      ['renewals', `${report.count * report.rounds}, ${per_second} a second`],
      ['owner', `${cpu_ms.owner} ms of processor time each, ${peak_rss_mb.owner} MB at most`],
      [
        'rendezvous',
        `${cpu_ms.rendezvous} ms of processor time each, ${peak_rss_mb.rendezvous} MB at most`,
      ],
    ]),
    '',
    `To keep ${alive} devices registered, each renewed after ${RENEW_AFTER * 100} % of its time:`,
    table(steady, [
      { title: 'GRANTED (days)', value: ({ days }) => days, right: true },
      { title: 'RENEWALS / s', value: (one) => one.renewals_per_second, right: true },
      { title: 'OWNER (% of a core)', value: (one) => one.owner_percent, right: true },
      { title: 'RENDEZVOUS (% of a core)', value: (one) => one.rendezvous_percent, right: true },
    ]),
  ].join('\n')
}

const options = new Command('renewal')
  .option('--json', 'one JSON document on stdout')
  .option('--count <n>', 'how many devices', '1000')
  .option('--rounds <n>', 'how often each is renewed', '5')
  .option('--alive <n>', 'for how many registrations the load is worked out', '4500000')
  .parse(process.argv.slice(3), { from: 'user' })
  .opts<RenewalOptions>()

const report = await measureRenewals(options)
process.stdout.write(`${options.json ? JSON.stringify(report) : page(report)}\n`)
