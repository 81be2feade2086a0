/**
 * Which plans are for a device, and which of several goes first: the higher priority, then the more
 * exact rule. What names the single device is more exact than any range of serial numbers, that more
 * than anything the device says of itself, that more than its group, that more than its model; of two
 * rules with the same most exact part the next part counts.
 */
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import type { PlanDocument, Rule } from './document.ts'

export interface DeviceFacts {
  /** The service's own name for it. */
  readonly id: string
  readonly guid: string
  readonly party: string
  readonly group: string
  readonly model: string
  readonly serial: string | null
}

/** `unknown`: only what the device says of itself can tell. */
export type Match = 'yes' | 'no' | 'unknown'

/** In the order of exactness; a later part weighs more than all before it. */
const PARTS = ['models', 'groups', 'devmod', 'serial', 'devices'] as const

export function rulesOf({ applies_to, rules = [] }: PlanDocument): readonly Rule[] {
  const { devices, groups, models } = applies_to ?? {}
  return [
    ...(devices ? [{ devices }] : []),
    ...(groups ? [{ groups }] : []),
    ...(models ? [{ models }] : []),
    ...rules,
  ]
}

export function weightOf(rule: Rule): number {
  return PARTS.reduce((sum, part, i) => (rule[part] ? sum + (1 << i) : sum), 0)
}

export function matchOf(rule: Rule, device: DeviceFacts, devmod: Devmod | undefined): Match {
  const { devices, groups, models, serial } = rule
  const serialNow = device.serial ?? devmod?.sn ?? null
  if (!among(devices, device.id) || !among(groups, device.group) || !among(models, device.model)) {
    return 'no'
  }
  if (serial && serialNow === null && !devmod) return 'unknown'
  if (serial && !isWithin(serial, serialNow)) return 'no'
  if (!rule.devmod) return 'yes'
  if (!devmod) return 'unknown'
  return Object.entries(rule.devmod).every(([key, patterns]) => says(devmod, key, patterns))
    ? 'yes'
    : 'no'
}

const LONG_LIST = 32
const sets = new WeakMap<readonly string[], ReadonlySet<string>>()

/** Whoever is not named by a list that is not there is none the less meant. */
function among(names: readonly string[] | undefined, name: string): boolean {
  if (!names || names.length < LONG_LIST) return names?.includes(name) ?? true
  const known = sets.get(names) ?? new Set(names)
  sets.set(names, known)
  return known.has(name)
}

function isWithin({ from, to }: NonNullable<Rule['serial']>, serial: string | null): boolean {
  return serial !== null && serial.length === from.length && from <= serial && serial <= to
}

function says(devmod: Devmod, key: string, patterns: readonly string[] | undefined): boolean {
  if (!patterns) return true
  const said = devmod[key as keyof Devmod]
  const values = typeof said === 'string' ? [said] : (said ?? [])
  return values.some((value) => patterns.some((pattern) => isLike(value, pattern)))
}

function isLike(value: string, pattern: string): boolean {
  return pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern
}

/** Whether some device could fall under both. */
export function overlap(one: Rule, other: Rule): boolean {
  for (const part of ['devices', 'groups', 'models'] as const) {
    const [mine, theirs] = [one[part], other[part]]
    if (mine && theirs && !mine.some((name) => among(theirs, name))) return false
  }
  if (one.serial && other.serial && !rangesMeet(one.serial, other.serial)) return false
  return Object.entries(one.devmod ?? {}).every(([key, patterns]) => {
    const theirs = other.devmod?.[key]
    // A device lists many modules, so that it may have one of each.
    return key === 'modules' || !patterns || !theirs || patternsMeet(patterns, theirs)
  })
}

type Range = NonNullable<Rule['serial']>

function rangesMeet(one: Range, other: Range): boolean {
  return one.from.length === other.from.length && one.from <= other.to && other.from <= one.to
}

function patternsMeet(some: readonly string[], others: readonly string[]): boolean {
  return some.some((one) =>
    others.some((other) => {
      if (!one.endsWith('*')) return isLike(one, other)
      const [beginning, its] = [one.slice(0, -1), other.replace(/\*$/, '')]
      return its.startsWith(beginning) || (other.endsWith('*') && beginning.startsWith(its))
    }),
  )
}

/** What two plans would both be for, in words; undefined where one goes before the other. */
export function ambiguityOf(one: PlanDocument, other: PlanDocument): string | undefined {
  if ((one.priority ?? 0) !== (other.priority ?? 0)) return undefined
  for (const mine of rulesOf(one)) {
    for (const theirs of rulesOf(other)) {
      if (weightOf(mine) === weightOf(theirs) && overlap(mine, theirs)) {
        return describeRule(theirs, mine)
      }
    }
  }
  return undefined
}

const SHOWN_NAMES = 3

/** For people; of two rules, the names that both have. */
export function describeRule(rule: Rule, other?: Rule): string {
  const named = (part: 'devices' | 'groups' | 'models') => {
    const names = rule[part]
    if (!names) return []
    const others = other?.[part]
    const shown = others ? names.filter((name) => among(others, name)) : names
    const more = shown.length > SHOWN_NAMES ? ', …' : ''
    const what = shown.length === 1 ? part.slice(0, -1) : part
    return [`${what} ${shown.slice(0, SHOWN_NAMES).join(', ')}${more}`]
  }
  const serial = rule.serial ? [`serial ${rule.serial.from} to ${rule.serial.to}`] : []
  const devmod = Object.entries(rule.devmod ?? {}).flatMap(([key, patterns]) =>
    patterns ? [`devmod.${key} ${patterns.join(' or ')}`] : [],
  )
  const parts = [...named('devices'), ...serial, ...devmod, ...named('groups'), ...named('models')]
  return parts.join(', ') || 'every device'
}
