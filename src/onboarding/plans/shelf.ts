/** The plans of one party as they are now, and which of them a device gets. Pure. */
import { createHash } from 'node:crypto'
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import type { Content } from '../content.ts'
import { BUILT_IN_PLAN, DEFAULT_PLAN, type PlanDocument } from './document.ts'
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

/** The version that this device would get, and why that one. */
function versionFor(held: HeldPlan, deviceId: string): Partial<Choice> & { readonly why: string } {
  const { trial, trialState, share, stable } = held
  if (!trial) return { ...(stable && { plan: stable, isTrial: false }), why: '' }
  const place = placeOf(held.name, deviceId)
  if (trialState === 'rolling' && place < share) {
    return {
      ...{ plan: trial, isTrial: true },
      why: ` version ${trial.version} is on trial: its place ${place.toFixed(1)} is within ${share} %`,
    }
  }
  const why =
    trialState === 'stopped'
      ? ` version ${trial.version} was stopped`
      : ` version ${trial.version} is on trial: its place ${place.toFixed(1)} is beyond ${share} %`
  return { ...(stable && { plan: stable, isTrial: false }), why }
}

interface Candidate extends Choice {
  readonly priority: number
  readonly weight: number
  readonly because: string
}

function candidatesOf(
  held: HeldPlan,
  device: DeviceFacts,
  devmod: Devmod | undefined,
): { readonly candidates: readonly Candidate[]; readonly verdict: Verdict } {
  const { name } = held
  const { plan, isTrial = false, why } = versionFor(held, device.id)
  const verdict = { plan: name, version: plan?.version ?? null } as const
  if (!plan) {
    const because = `no version of it holds for this device;${why || ' it awaits approval'}`
    return { candidates: [], verdict: { ...verdict, outcome: 'not-for-it', because } }
  }
  const rules = rulesOf(plan.document)
  const found = rules.map((rule) => ({ rule, match: matchOf(rule, device, devmod) }))
  const priority = plan.document.priority ?? 0
  const candidates: Candidate[] = found
    .filter(({ match }) => match === 'yes')
    .map(({ rule }) => {
      const because = `it is for ${describeRule(rule)};${why}`.replace(/;$/, '')
      return { plan, isTrial, priority, weight: weightOf(rule), because }
    })
  if (name === DEFAULT_PLAN) {
    const because = `it is for whoever no plan names;${why}`.replace(/;$/, '')
    candidates.push({ plan, isTrial, priority: -Infinity, weight: 0, because })
  }
  const isOpen = found.some(({ match }) => match === 'unknown')
  const because =
    rules.length === 0
      ? 'it names nobody'
      : isOpen
        ? 'that depends on what the device says of itself'
        : `it is for ${rules.map((rule) => describeRule(rule)).join('; or ')}`
  const outcome = isOpen ? 'undecided' : 'not-for-it'
  return { candidates, verdict: { ...verdict, outcome, because } }
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
    const all = this.#held.flatMap((held) => candidatesOf(held, device, devmod).candidates)
    const [first] = all.toSorted(inOrder)
    return first ?? { plan: BUILT_IN, isTrial: false }
  }

  /** Every plan, the chosen one first. */
  explain(device: DeviceFacts, devmod: Devmod | undefined): readonly Verdict[] {
    const each = this.#held.map((held) => candidatesOf(held, device, devmod))
    const all = each.flatMap(({ candidates }) => candidates).toSorted(inOrder)
    const seen = new Set<string>()
    const fitting = all.filter(({ plan: { name } }) => !seen.has(name) && seen.add(name))
    const verdicts = fitting.map(({ plan, because }, i): Verdict => {
      const outcome = i === 0 ? 'chosen' : 'passed-over'
      return { plan: plan.name, version: plan.version, outcome, because }
    })
    const rest = each.map(({ verdict }) => verdict).filter(({ plan }) => !seen.has(plan))
    if (verdicts.length > 0) return [...verdicts, ...rest]
    const because = 'nothing else is for this device'
    return [{ plan: DEFAULT_PLAN, version: 0, outcome: 'chosen', because }, ...rest]
  }
}
