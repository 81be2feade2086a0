/** `firstlight doctor`: is this installation well, and if not, what is to be done? */
import { Command } from 'commander'
import type { Finding } from '../../operations/doctor/finding.ts'
import { run } from '../command.ts'
import { type DataOptions, addDataOptions, configOf } from '../data-options.ts'
import { CliFailure, EXIT } from '../failure.ts'
import type { Output } from '../output.ts'
import { secondsOf } from '../time.ts'

interface DoctorOptions extends DataOptions {
  readonly backupAge: string
}

export function doctorCommand(): Command {
  const doctor = new Command('doctor')
    .description(
      "look this installation over, on the service's own machine; status 5: something is wrong",
    )
    .option('--backup-age <time>', 'how old the last back-up may be', '7d')
  return run<DoctorOptions>(addDataOptions(doctor), async (options, output) => {
    const backupSeconds = secondsOf(options.backupAge)
    const found = await findingsOf(options, backupSeconds)
    report(found, output)
    if (found.some(({ status }) => status === 'problem')) process.exitCode = EXIT['check-failed']
  })
}

async function findingsOf(
  options: DoctorOptions,
  backupSeconds: number,
): Promise<readonly Finding[]> {
  const { realClock: clock } = await import('../../clock.ts')
  const { examine } = await import('../../operations/doctor/examine.ts')
  try {
    return await examine({ config: await configOf(options), clock, backupSeconds })
  } catch (error) {
    if (!(error instanceof CliFailure && error.code === 'configuration')) throw error
    const next = 'set that variable right: firstlight serve would not start'
    return [{ check: 'configuration', status: 'problem', detail: error.message, next }]
  }
}

const MARKS = {
  ok: 'ok      ',
  warning: 'warning ',
  problem: 'PROBLEM ',
  skipped: 'skipped ',
} as const

function report(found: readonly Finding[], output: Output): void {
  const ok = found.every(({ status }) => status !== 'problem')
  output.result({ ok, findings: found }, ({ findings }) =>
    findings
      .flatMap(({ check, status, detail, next }) => [
        `${MARKS[status]} ${check}: ${detail}`,
        ...(next === undefined ? [] : [`           ${next}`]),
      ])
      .join('\n'),
  )
}
