/** `firstlight plan explain` and `dry-run`: which plan a device gets, why, and what is in it for it. */
import type { Command } from 'commander'
import { type Given, call } from './api.ts'
import type { ApiClient } from './api-client.ts'
import { runWithApi } from './command.ts'
import { documentIn } from './document.ts'
import { CliFailure } from './failure.ts'
import { clean, table } from './output.ts'

interface DryRunOptions {
  readonly devmod?: readonly string[]
  readonly plan?: string
  readonly planVersion?: string
  readonly file?: string
}

type DryRun = Given<'POST /devices/{device}/dry-run'>

const SAID: [flags: string, description: string] = [
  '--devmod <key=value...>',
  'what the device says of itself, such as os=linux or modules=fdo.command,fdo.download',
]

export function addDryRun(plan: Command): void {
  runWithApi<DryRunOptions>(
    plan
      .command('explain')
      .description('which plan a device gets, and why')
      .argument('<id-or-guid>')
      .option(...SAID),
    async (api, options, output, [device = '']) => {
      const { because, plan: name, version, devmod_known } = await dryRun(api, device, options)
      const result = { plan: name, version, devmod_known, because }
      output.result(result, () => verdicts(because, devmod_known))
    },
  )
  runWithApi<DryRunOptions>(
    plan
      .command('dry-run')
      .description('what a device would be sent, step by step; nothing is')
      .argument('<id-or-guid>')
      .option('--plan <name>', 'by this plan, whichever the device would get')
      .option('--plan-version <number>', 'by this version of it')
      .option('--file <file>', 'by a document that has not been put yet')
      .option(...SAID),
    async (api, options, output, [device = '']) => {
      const run = await dryRun(api, device, options)
      output.result(run, stepsText)
      if (run.steps.some(({ would }) => would === 'fail')) process.exitCode = 5
    },
  )
}

function dryRun(api: ApiClient, device: string, options: DryRunOptions): Promise<DryRun> {
  const { devmod, plan, planVersion, file } = options
  const json = {
    ...(plan !== undefined && { plan }),
    ...(planVersion !== undefined && { version: Number(planVersion) }),
    // The service has the last word on what is a plan.
    ...(file !== undefined && { document: documentIn(file) as never }),
    ...(devmod && { devmod: said(devmod) }),
  }
  return call(api, 'POST /devices/{device}/dry-run', { params: { device }, json })
}

function said(pairs: readonly string[]): object {
  const entries = pairs.map((pair) => {
    const at = pair.indexOf('=')
    if (at < 1) throw new CliFailure('usage', `--devmod: not key=value: ${pair}`)
    const [key, value] = [pair.slice(0, at), pair.slice(at + 1)]
    return [key, key === 'modules' ? value.split(',') : value] as const
  })
  return Object.fromEntries(entries)
}

function verdicts(because: DryRun['because'], devmodKnown: boolean): string {
  const rows = table(because, [
    { title: 'PLAN', value: ({ plan }) => plan },
    { title: 'VERSION', value: ({ version }) => version, right: true },
    { title: 'OUTCOME', value: ({ outcome }) => outcome },
    { title: 'BECAUSE', value: (one) => one.because },
  ])
  const hint = 'the device has not said what it is: say it for it with --devmod'
  return devmodKnown ? rows : `${rows}\n${hint}`
}

function stepsText({ plan, version, steps }: DryRun): string {
  const lines = steps.flatMap(({ name, type, would, modules, problem, sent }) => [
    `${clean(name)}: ${type}, would ${would.replaceAll('-', ' ')}${modules[0] ? ` by ${clean(modules[0])}` : ''}`,
    ...(problem === null ? [] : [`  ${clean(problem)}`]),
    ...JSON.stringify(sent, null, 2)
      .split('\n')
      .slice(1, -1)
      .map((line) => `  ${clean(line)}`),
  ])
  return [`plan ${plan}, version ${version}`, ...lines].join('\n')
}
