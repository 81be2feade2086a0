/** `firstlight fleet`: many devices at once, against any FDO server. */
import { Command } from 'commander'
import { runFleet } from '../../fleet/run.ts'
import type { FleetReport } from '../../fleet/report.ts'
import type { Suite } from '../../simulator/keys.ts'
import { run } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { httpUrl } from '../http-url.ts'
import { facts, progress } from '../output.ts'

interface FleetFlags {
  readonly count: string
  readonly concurrency: string
  readonly di: string
  readonly rv?: string
  readonly owner?: string
  readonly voucherHook?: string
  readonly suite: string
}

export function fleetCommand(): Command {
  return run<FleetFlags>(
    new Command('fleet')
      .description('make and onboard many devices at once, against any FDO server')
      .requiredOption('--count <n>', 'how many devices')
      .requiredOption('--concurrency <c>', 'how many at a time')
      .requiredOption('--di <url>', 'the manufacturer')
      .option('--rv <url>', 'ask this rendezvous, whatever the devices were told')
      .option('--owner <url>', 'onboard here, whatever the rendezvous says')
      .option(
        '--voucher-hook <command>',
        'hands the vouchers of the GUIDs on its stdin to the owner',
      )
      .option('--suite <kex/cipher>', 'key exchange and cipher suite', 'ECDH256/1'),
    async ({ count, concurrency, suite, di, rv, owner, voucherHook }, output) => {
      const report = await runFleet({
        di: httpUrl(di, '--di').href,
        ...(rv !== undefined && { rv: httpUrl(rv, '--rv').href }),
        ...(owner !== undefined && { owner: httpUrl(owner, '--owner').href }),
        ...(voucherHook !== undefined && { voucherHook }),
        count: positive(count, '--count'),
        concurrency: positive(concurrency, '--concurrency'),
        suite: suiteOf(suite),
        progress,
        note: (line) => output.note(line),
      })
      output.result(report, page)
      if (report.failed > 0) process.exitCode = 1
    },
  )
}

function page({ count, onboarded, failed, seconds, per_second, latency_ms, errors }: FleetReport) {
  const { p50, p95, p99 } = latency_ms
  return facts([
    ['devices', count],
    ['onboarded', onboarded],
    ['failed', failed],
    ['took', `${seconds} s, ${per_second} a second`],
    ['latency', `p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms`],
    ...Object.entries(errors).map(([code, times]) => [`error ${code}`, times] as const),
  ])
}

export function suiteOf(text: string): Suite {
  const [, kex, cipher] = /^([A-Za-z0-9]+)\/(-?\d+)$/.exec(text) ?? []
  if (kex === undefined || cipher === undefined) {
    throw new CliFailure('usage', `not a suite: ${text}`, { next: 'write it as ECDH256/1' })
  }
  return { kex, cipher: Number(cipher) }
}

function positive(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new CliFailure('usage', `${flag}: not a positive number: ${text}`)
}
