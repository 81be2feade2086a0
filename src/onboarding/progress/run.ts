/** The last run of TO2 of a device, put together from what was written down of it. Pure. */
import type { DeviceRow } from '../../devices/store.ts'
import { outputText } from './output.ts'
import type { OutputRow, PartyEvent, ProgressRow } from './store.ts'

export type RunEvent = Pick<PartyEvent, 'seq' | 'at' | 'type' | 'detail'>

export interface StepProgress {
  readonly name: string
  readonly state: 'waiting' | 'running' | 'done' | 'skipped' | 'failed'
  readonly module: string | null
  /** Why it was skipped, or failed. */
  readonly reason: string | null
  /** Of the file that is under way. */
  readonly bytes: { readonly done: number; readonly total: number } | null
  /** What its program printed: the beginning and the end. */
  readonly stdout: string | null
  readonly stderr: string | null
}

export interface RunProgress {
  readonly outcome: 'none' | 'running' | 'onboarded' | 'failed'
  readonly plan: { readonly name: string; readonly version: number } | null
  /** The last message that is known to be answered. */
  readonly message: number | null
  readonly rounds: number | null
  readonly receivedBytes: number | null
  readonly steps: readonly StepProgress[]
  readonly stepsLeft: number | null
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly updatedAt: string | null
}

interface Known {
  readonly device: Pick<DeviceRow, 'state'>
  /** Newest first. */
  readonly events: readonly RunEvent[]
  readonly progress: ProgressRow | undefined
  readonly outputs: readonly OutputRow[]
}

const ENDS: Readonly<Record<string, 'onboarded' | 'failed'>> = {
  onboarded: 'onboarded',
  'onboarded-with-reuse': 'onboarded',
  failed: 'failed',
}

const NO_RUN: RunProgress = {
  ...{ outcome: 'none', plan: null, message: null, rounds: null, receivedBytes: null },
  ...{ steps: [], stepsLeft: null, startedAt: null, endedAt: null, updatedAt: null },
}

export function runOf({ device, events, progress, outputs }: Known): RunProgress {
  const start = events.findIndex(({ type }) => type === 'onboarding')
  if (start < 0) return NO_RUN
  const run = events.slice(0, start + 1).toReversed()
  const startedAt = run[0]?.at ?? ''
  const end = run.find(({ type }) => ENDS[type])
  const outcome = (end && ENDS[end.type]) ?? (device.state === 'onboarding' ? 'running' : 'none')
  const devmod = run.find(({ type }) => type === 'devmod')
  const plan = devmod && planIn(detailOf(devmod))
  const now = progress && progress.updated_at >= startedAt ? progress : undefined
  const steps = plan ? stepsOf(plan.steps, { run, outcome, now, outputs }) : []
  const left = steps.filter(({ state }) => state === 'waiting' || state === 'running').length
  const at = [...run.map((event) => event.at), now?.updated_at ?? '']
  return {
    outcome,
    plan: plan ? { name: plan.name, version: plan.version } : null,
    message: end && outcome === 'onboarded' ? 70 : (now?.message ?? (devmod ? 68 : 64)),
    rounds: now?.rounds ?? null,
    receivedBytes: now ? Number(now.received) : null,
    steps,
    stepsLeft: plan ? left : null,
    startedAt,
    endedAt: end?.at ?? null,
    updatedAt: at.toSorted().at(-1) ?? null,
  }
}

interface OfRun {
  readonly run: readonly RunEvent[]
  readonly outcome: RunProgress['outcome']
  readonly now: ProgressRow | undefined
  readonly outputs: readonly OutputRow[]
}

const STEP_ENDS: Readonly<Record<string, StepProgress['state']>> = {
  'step-done': 'done',
  'step-skipped': 'skipped',
  'step-failed': 'failed',
}

function stepsOf(names: readonly string[], { run, outcome, now, outputs }: OfRun): StepProgress[] {
  const ends = new Map<string, { state: StepProgress['state']; detail: Detail }>()
  for (const event of run) {
    const state = STEP_ENDS[event.type]
    const detail = detailOf(event)
    if (state && typeof detail['step'] === 'string') ends.set(detail['step'], { state, detail })
  }
  const current =
    now?.step && !ends.has(now.step) ? now.step : names.find((name) => !ends.has(name))
  return names.map((name): StepProgress => {
    const end = ends.get(name)
    const isNow = outcome === 'running' && name === current
    const text = (stream: 'stdout' | 'stderr') => {
      const row = outputs.find((one) => one.step === name && one.stream === stream)
      return row ? outputText(row) : null
    }
    const bytes =
      isNow && now?.step === name && now.total !== null
        ? { done: Number(now.done ?? 0), total: Number(now.total) }
        : null
    return {
      name,
      state: end?.state ?? openState(outcome, isNow),
      module: textOf(end?.detail['module']) ?? (isNow ? (now?.module ?? null) : null),
      reason: textOf(end?.detail['reason']),
      bytes,
      stdout: text('stdout'),
      stderr: text('stderr'),
    }
  })
}

/** Of a step that nothing was said of. One that has no place in a run is not even begun. */
function openState(outcome: RunProgress['outcome'], isNow: boolean): StepProgress['state'] {
  if (outcome === 'onboarded') return 'skipped'
  return isNow ? 'running' : 'waiting'
}

type Detail = Readonly<Record<string, unknown>>

/** Written here, as an object. */
export function detailOf({ detail }: Pick<RunEvent, 'detail'>): Detail {
  return detail === null ? {} : (JSON.parse(detail) as Detail)
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

interface NotedPlan {
  readonly name: string
  readonly version: number
  readonly steps: readonly string[]
}

/** As the record notes it beside devmod. */
function planIn({ plan }: Detail): NotedPlan | undefined {
  return plan === undefined ? undefined : (plan as NotedPlan)
}
