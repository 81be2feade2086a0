/** `firstlight plan`: what devices get when they are onboarded. */
import { Command } from 'commander'
import { type Given, call, listAll, pathOf } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { runWithApi } from '../command.ts'
import { documentIn } from '../document.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { addContents, addUploads } from '../plan-contents.ts'
import { addDryRun } from '../plan-dry-run.ts'

type PlanView = Given<'GET /plans/{name}'>
type TrialView = Given<'GET /plans/{name}/rollout'>

export function planCommand(): Command {
  const plan = new Command('plan').description('what devices get when they are onboarded')
  addLooking(plan)
  addChanging(plan)
  addApproving(plan)
  addDryRun(plan)
  addContents(plan)
  addUploads(plan)
  return plan
}

function addLooking(plan: Command): void {
  runWithApi(
    plan.command('list').description('the plans, and which of their versions hold'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /plans', { limit: 500 }), (rows) =>
        table(rows, [
          { title: 'NAME', value: ({ name }) => name },
          { title: 'VERSION', value: ({ version }) => version, right: true },
          { title: 'STATUS', value: ({ status }) => status },
          { title: 'IN FORCE', value: ({ in_force }) => in_force, right: true },
          { title: 'ON TRIAL', value: ({ trial }) => trialText(trial) },
          { title: 'DESCRIPTION', value: ({ description }) => description },
        ]),
      )
    },
  )
  runWithApi<{ document?: boolean }>(
    plan
      .command('get')
      .description('a plan as it was put last, or one of its versions')
      .argument('<name>')
      .argument('[version]')
      .option('--document', 'only the document: to be changed, and put again'),
    async (api, { document }, output, [name = '', version]) => {
      const one = await findOne(api, name, version)
      if (document) return output.result(documentOf(one), (only) => JSON.stringify(only, null, 2))
      output.result(one, (view) => {
        const shown = 'trial' in view ? { ...view, trial: trialText(view.trial) } : view
        const head = Object.entries(shown).filter(([key]) => !DOCUMENT.includes(key))
        const lines = head.map(([key, value]) => [key, textOf(value)] as const)
        return `${facts(lines)}\n${JSON.stringify(documentOf(view), null, 2)}`
      })
    },
  )
  runWithApi(
    plan
      .command('versions')
      .description('all that a plan has been: who changed it when, and who approved it')
      .argument('<name>'),
    async (api, _options, output, [name = '']) => {
      const path = pathOf('GET /plans/{name}/versions', { name }, { limit: 500 })
      const rows = await api.list<Given<'GET /plans/{name}/versions'>['items'][number]>(path)
      output.result(rows, (all) =>
        table(all, [
          { title: 'VERSION', value: ({ version }) => version, right: true },
          { title: 'CHANGED', value: ({ created_at }) => created_at.slice(0, 19) },
          { title: 'BY', value: ({ created_by }) => created_by },
          { title: 'PROGRAMS', value: ({ runs_programs }) => (runs_programs ? 'yes' : 'no') },
          { title: 'APPROVED BY', value: ({ approved_by }) => approved_by },
          { title: 'DIGEST', value: ({ digest }) => digest },
        ]),
      )
    },
  )
}

function addChanging(plan: Command): void {
  runWithApi<{ ifVersion?: string }>(
    plan
      .command('put')
      .description('make a plan, or its next version')
      .argument('<name>')
      .argument('<file>', 'the document: JSON')
      .option('--if-version <number>', 'only if that is the version there is; 0 for none'),
    async (api, { ifVersion }, output, [name = '', file = '']) => {
      const document = documentOf(documentIn(file))
      const version = ifVersion === undefined ? {} : { version: numberOf(ifVersion) }
      const path = pathOf('PUT /plans/{name}', { name })
      const json = { ...(document as object), ...version }
      output.result(await api.json<PlanView>(path, { method: 'PUT', json }), planText)
    },
  )
  runWithApi(
    plan
      .command('remove')
      .description('remove a plan; its versions can still be read')
      .argument('<name>'),
    async (api, _options, output, [name = '']) => {
      await call(api, 'DELETE /plans/{name}', { params: { name } })
      output.result({ name, removed: true }, () => `removed ${name}`)
    },
  )
}

function addApproving(plan: Command): void {
  runWithApi<{ digest?: string; share?: string }>(
    plan
      .command('approve')
      .description('let a version that runs programs begin to hold; not as its author')
      .argument('<name>')
      .argument('<version>')
      .option('--digest <hex>', 'of the document that you have looked at')
      .option('--share <per cent>', 'of the devices, to begin with'),
    async (api, { digest, share }, output, [name = '', version = '']) => {
      if (digest === undefined) {
        throw new CliFailure('usage', 'approve what?', {
          next: `firstlight plan get ${name} ${version}, then --digest with what it says`,
        })
      }
      const json = { digest, ...(share !== undefined && { share: numberOf(share) }) }
      const params = { name, version }
      const name_ = 'POST /plans/{name}/versions/{version}/approve'
      output.result(await call(api, name_, { params, json }), planText)
    },
  )
  runWithApi<{ share?: string; stop?: boolean; resume?: boolean }>(
    plan
      .command('rollout')
      .description('how devices fare with the version on trial; raise its share, stop it, go on')
      .argument('<name>')
      .option('--share <per cent>', 'of the devices')
      .option('--stop', 'nobody gets it any more')
      .option('--resume', 'go on; what failed before is not counted'),
    async (api, { share, stop, resume }, output, [name = '']) => {
      if (stop && resume) throw new CliFailure('usage', '--stop and --resume')
      const json = {
        ...(share !== undefined && { share: numberOf(share) }),
        ...(stop && { state: 'stopped' as const }),
        ...(resume && { state: 'rolling' as const }),
      }
      const params = { name }
      const view =
        Object.keys(json).length === 0
          ? await call(api, 'GET /plans/{name}/rollout', { params })
          : await call(api, 'PATCH /plans/{name}/rollout', { params, json })
      output.result(view, rolloutText)
    },
  )
}

const DOCUMENT = [
  ...['description', 'credential', 'applies_to', 'rules', 'priority', 'rollout', 'steps'],
]

/** What is put, of what is shown. */
function documentOf(view: unknown): unknown {
  if (typeof view !== 'object' || view === null) return view
  // Who writes one by hand is told of what is no part of it.
  if (!('digest' in view)) return view
  return Object.fromEntries(Object.entries(view).filter(([key]) => DOCUMENT.includes(key)))
}

async function findOne(api: ApiClient, name: string, version: string | undefined) {
  if (version === undefined) return call(api, 'GET /plans/{name}', { params: { name } })
  return call(api, 'GET /plans/{name}/versions/{version}', { params: { name, version } })
}

function planText({ name, version, status, in_force, trial, digest }: PlanView): string {
  const next: Readonly<Record<string, string>> = {
    'awaiting-approval': `somebody else: firstlight plan approve ${name} ${version} --digest ${digest}`,
    'rolling-out': `firstlight plan rollout ${name} --share …`,
    stopped: `firstlight plan rollout ${name} --resume`,
  }
  return facts([
    ['plan', name],
    ['version', version],
    ['status', status],
    ['in force', in_force],
    ['on trial', trialText(trial)],
    ['digest', digest],
    ...(next[status] === undefined ? [] : [['next', next[status]] as const]),
  ])
}

function trialText(trial: PlanView['trial']): string | undefined {
  return trial ? `${trial.version}: ${trial.share} %, ${trial.state}` : undefined
}

function rolloutText(view: TrialView): string {
  return facts([
    ['version', view.version],
    ['state', view.state],
    ['share', `${view.share} %`],
    ['onboarded', view.onboarded],
    ['failed', view.failed],
    ['under way', view.running],
    ['stops at', `${view.max_failed} failed, if they are ${view.max_failed_percent} %`],
  ])
}

function textOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value ?? '–')
}

function numberOf(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new CliFailure('usage', `not a number: ${text}`)
}
