/** `firstlight watch`: onboarding, as it happens: of one device, or of all. */
import { Command } from 'commander'
import { type Given, call, pathOf } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { runWithApi } from '../command.ts'
import { type Named, byName, deviceNamed } from '../named-device.ts'
import { type Output, clean, table } from '../output.ts'
import { Screen } from '../screen.ts'
import { serverEvents } from '../server-events.ts'

type Progress = Given<'GET /devices/{device}/progress'>

interface WatchOptions extends Named {
  readonly now?: boolean
  readonly once?: boolean
}

/** What happened to a device, and how far a run is that takes long. */
interface DeviceEvent {
  readonly device: string
  readonly guid: string
  readonly at: string
  readonly type?: string
  readonly detail?: Readonly<Record<string, unknown>>
  readonly step?: string | null
  readonly bytes?: { readonly done: number; readonly total: number } | null
}

export function watchCommand(): Command {
  return runWithApi<WatchOptions>(
    byName(
      new Command('watch').description(
        'onboarding, as it happens: of one device, or of all; --json gives lines',
      ),
    )
      .option('--now', 'how things are now, and no more')
      .option('--once', 'until the run of the device has ended'),
    async (api, options, output, [name]) => {
      if (name === undefined && options.serial === undefined) {
        await watchAll(api, options, output)
        return
      }
      await watchOne(api, await deviceNamed(api, name, options.serial), options, output)
    },
  )
}

async function watchOne(
  api: ApiClient,
  params: { readonly device: string },
  { now, once }: WatchOptions,
  output: Output,
): Promise<void> {
  if (now) {
    output.result(await call(api, 'GET /devices/{device}/progress', { params }), page)
    return
  }
  const screen = screenFor(output)
  const path = pathOf('GET /devices/{device}/progress', params)
  let before: Progress | undefined
  for await (const { data } of serverEvents(api, path)) {
    const progress = data as Progress
    if (screen) screen.draw(page(progress))
    else output.line(progress, page)
    before ??= progress
    const { outcome, started_at } = progress
    const isOver = outcome === 'failed' || outcome === 'onboarded'
    // A run may be over before it has been seen.
    const isAnother = before.outcome === 'running' || before.started_at !== started_at
    if (!once || !isOver || !isAnother) continue
    if (outcome === 'failed') process.exitCode = 1
    return
  }
}

async function watchAll(api: ApiClient, { now }: WatchOptions, output: Output): Promise<void> {
  if (now) {
    const path = pathOf('GET /onboardings', {}, { limit: 500 })
    output.result(await api.list<Progress>(path), (rows) =>
      table(rows, [
        { title: 'GUID', value: ({ guid }) => guid },
        { title: 'PLAN', value: ({ plan }) => plan && `${plan.name} ${plan.version}` },
        { title: 'MESSAGE', value: ({ message }) => message, right: true },
        { title: 'STEP', value: ({ steps }) => stepNow(steps) },
        { title: 'LEFT', value: ({ steps_left }) => steps_left, right: true },
        { title: 'SINCE', value: ({ started_at }) => started_at?.slice(0, 19) },
      ]),
    )
    return
  }
  const listening = { opened: () => output.note('from now on:') }
  for await (const { event, data } of serverEvents(api, pathOf('GET /onboardings'), listening)) {
    output.line({ event, ...(data as DeviceEvent) }, line)
  }
}

/** Only where a person looks at it. */
function screenFor({ json }: Output): Screen | undefined {
  return json || !process.stdout.isTTY ? undefined : new Screen(process.stdout)
}

function line({ at, guid, type, detail, step, bytes }: DeviceEvent): string {
  const what =
    type === undefined
      ? `${step ?? 'under way'} ${bytes ? share(bytes) : ''}`
      : `${type} ${['step', 'reason', 'error', 'command', 'exitCode', 'name']
          .flatMap((key) => (detail?.[key] === undefined ? [] : [String(detail[key])]))
          .join(' ')}`
  return clean(`${at.slice(11, 19)}  ${guid}  ${what}`).trimEnd()
}

const MARKS = { waiting: ' ', running: '>', done: '+', skipped: '-', failed: '!' } as const
const OUTPUT_LINES = 10

function page(progress: Progress): string {
  const { guid, outcome, plan, message, rounds, steps, steps_left, error } = progress
  const left = steps_left === null ? '' : `, ${steps_left} of ${steps.length} steps left`
  const by = plan ? `, plan ${plan.name} ${plan.version}` : ''
  const round = rounds === null ? '' : `, round ${rounds}`
  return [
    `${guid}: ${outcome}${by}${message === null ? '' : `, message ${message}`}${round}${left}`,
    ...steps.flatMap(stepLines),
    ...(error === null ? [] : [`because: ${clean(error)}`]),
  ].join('\n')
}

function stepLines({ name, state, module, reason, bytes, ...said }: Progress['steps'][number]) {
  const parts = [module, bytes && share(bytes), reason].filter((part) => part)
  const mark = MARKS[state]
  const printed = [said.stdout, said.stderr].flatMap((text) => (text ? text.split('\n') : []))
  const shown = state === 'failed' ? printed.filter((one) => one !== '').slice(-OUTPUT_LINES) : []
  return [
    `${mark} ${clean(name)}: ${clean([state, ...parts].join(', '))}`,
    ...shown.map((one) => `    ${clean(one)}`),
  ]
}

function stepNow(steps: Progress['steps']): string | undefined {
  const now = steps.find(({ state }) => state === 'running')
  return now && `${now.name} ${now.bytes ? share(now.bytes) : ''}`.trimEnd()
}

function share({ done, total }: { readonly done: number; readonly total: number }): string {
  return total === 0 ? '0 bytes' : `${Math.floor((100 * done) / total)} % of ${total} bytes`
}
