/** The plans of one party as they are now, and which of them a device gets. Pure. */
import { createHash } from 'node:crypto'
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import type { Content } from '../content.ts'
import { BUILT_IN_PLAN, DEFAULT_PLAN, type PlanDocument, type Rule } from './document.ts'
import { type DeviceFacts, describeRule, matchOf, rulesOf, weightOf } from './rules.ts'

/** One version of a plan; version 0 is the built-in one. */
export interface Plan {
  readonly name: string
  readonly version: number
  readonly document: PlanDocument
  /** Of its file steps, by their place. */
  readonly contents: ReadonlyMap<number, Content>
}

/** A plan with the versions that some device gets. */
export interface HeldPlan {
  readonly name: string
  readonly stable: Plan | undefined
  readonly trial: Plan | undefined
  readonly trialState: 'rolling' | 'stopped' | null
  readonly share: number
}

export interface Choice {
  readonly plan: Plan
  /** It is on trial: how the device fares counts. */
  readonly isTrial: boolean
}

/** Why a plan is chosen, or is not. */
export interface Verdict {
  readonly plan: string
  readonly version: number | null
  readonly outcome: 'chosen' | 'passed-over' | 'not-for-it' | 'undecided'
  readonly because: string
}

export const BUILT_IN: Plan = {
  name: DEFAULT_PLAN,
  version: 0,
  document: BUILT_IN_PLAN,
  contents: new Map(),
}

/** From 0 to under 100: always the same for a device and a plan, whatever the version. */
export function placeOf(plan: string, deviceId: string): number {
  const digest = createHash('sha256').update(`${plan}\n${deviceId}`).digest()
  return (digest.readUInt32BE() / 2 ** 32) * 100
}

/** The version that this device would get. */
function versionFor(held: HeldPlan, deviceId: string): Choice | undefined {
  const { name, trial, trialState, share, stable } = held
  if (trial && trialState === 'rolling' && placeOf(name, deviceId) < share) {
    return { plan: trial, isTrial: true }
  }
  return stable && { plan: stable, isTrial: false }
}

/** And why that one. */
function whyVersion({ name, trial, trialState, share }: HeldPlan, deviceId: string): string {
  if (!trial) return ''
  if (trialState === 'stopped') return `; version ${trial.version} was stopped`
  const place = placeOf(name, deviceId)
  const where = place < share ? 'within' : 'beyond'
  const shown = place.toFixed(1)
  return `; version ${trial.version} is on trial: its place ${shown} is ${where} ${share} %`
}

interface Candidate extends Choice {
  readonly priority: number
  readonly weight: number
  /** Undefined where it is for whoever no plan names. */
  readonly rule: Rule | undefined
  readonly held: HeldPlan
}

/** A plan as far as it is for this device: on the way of every device, so that nothing is put in words. */
function candidatesOf(
  held: HeldPlan,
  device: DeviceFacts,
  devmod: Devmod | undefined,
): readonly Candidate[] {
  const choice = versionFor(held, device.id)
  if (!choice) return []
  const { document } = choice.plan
  const priority = document.priority ?? 0
  const candidates: Candidate[] = []
  for (const rule of rulesOf(document)) {
    if (matchOf(rule, device, devmod) !== 'yes') continue
    candidates.push({ ...choice, priority, weight: weightOf(rule), rule, held })
  }
  if (held.name === DEFAULT_PLAN) {
    candidates.push({ ...choice, priority: -Infinity, weight: 0, rule: undefined, held })
  }
  return candidates
}

/** Of one that is for this device. */
function verdictOn(
  { plan, rule, held }: Candidate,
  device: DeviceFacts,
  outcome: 'chosen' | 'passed-over',
): Verdict {
  const whom = rule ? describeRule(rule) : 'whoever no plan names'
  const because = `it is for ${whom}${whyVersion(held, device.id)}`
  return { plan: plan.name, version: plan.version, outcome, because }
}

/** Of one that is not, or not yet. */
function verdictAgainst(held: HeldPlan, device: DeviceFacts, devmod: Devmod | undefined): Verdict {
  const plan = versionFor(held, device.id)?.plan
  const verdict = { plan: held.name, version: plan?.version ?? null } as const
  if (!plan) {
    const why = whyVersion(held, device.id) || '; it awaits approval'
    const because = `no version of it holds for this device${why}`
    return { ...verdict, outcome: 'not-for-it', because }
  }
  const rules = rulesOf(plan.document)
  if (rules.length === 0) return { ...verdict, outcome: 'not-for-it', because: 'it names nobody' }
  if (rules.some((rule) => matchOf(rule, device, devmod) === 'unknown')) {
    const because = 'that depends on what the device says of itself'
    return { ...verdict, outcome: 'undecided', because }
  }
  const because = `it is for ${rules.map((rule) => describeRule(rule)).join('; or ')}`
  return { ...verdict, outcome: 'not-for-it', because }
}

function inOrder(one: Candidate, other: Candidate): number {
  // Two that are equal in all of this are refused when they are put; a trial may still bring some.
  if (one.priority !== other.priority) return other.priority - one.priority
  return other.weight - one.weight || (one.plan.name < other.plan.name ? -1 : 1)
}

export class Shelf {
  readonly #held: readonly HeldPlan[]

  constructor(held: readonly HeldPlan[]) {
    this.#held = held
  }

  get hasTrials(): boolean {
    return this.#held.some(({ trialState }) => trialState === 'rolling')
  }

  /** Without devmod, as if no plan asked for it. */
  choose(device: DeviceFacts, devmod: Devmod | undefined): Choice {
    let first: Candidate | undefined
    for (const held of this.#held) {
      for (const one of candidatesOf(held, device, devmod)) {
        if (!first || inOrder(one, first) < 0) first = one
      }
    }
    return first ?? { plan: BUILT_IN, isTrial: false }
  }

  /** Every plan, the chosen one first. */
  explain(device: DeviceFacts, devmod: Devmod | undefined): readonly Verdict[] {
    const all = this.#held.flatMap((held) => candidatesOf(held, device, devmod)).toSorted(inOrder)
    const seen = new Set<HeldPlan>()
    const fitting = all.filter(({ held }) => !seen.has(held) && seen.add(held))
    const verdicts = fitting.map((one, i) =>
      verdictOn(one, device, i === 0 ? 'chosen' : 'passed-over'),
    )
    const rest = this.#held
      .filter((held) => !seen.has(held))
      .map((held) => verdictAgainst(held, device, devmod))
    if (verdicts.length > 0) return [...verdicts, ...rest]
    const because = 'nothing else is for this device'
    return [{ plan: DEFAULT_PLAN, version: 0, outcome: 'chosen', because }, ...rest]
  }
}
