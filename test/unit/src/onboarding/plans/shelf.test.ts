import { describe, expect, it } from 'vitest'
import type { Devmod } from '../../../../../protocol/fsim/devmod/messages.ts'
import type { PlanDocument } from '../../../../../src/onboarding/plans/document.ts'
import type { DeviceFacts } from '../../../../../src/onboarding/plans/rules.ts'
import {
  type HeldPlan,
  type Plan,
  Shelf,
  placeOf,
} from '../../../../../src/onboarding/plans/shelf.ts'

const device = (id: string): DeviceFacts => ({
  ...{ id, guid: 'aa', party: 'fdop_home', group: 'g', model: 'm', serial: null },
})
const DEVMOD = { os: 'Linux', modules: [] } as unknown as Devmod
const version = (name: string, number: number, document: Partial<PlanDocument>): Plan => ({
  ...{ name, version: number, document: { steps: [], ...document }, contents: new Map() },
})
const held = (name: string, document: Partial<PlanDocument>, more: Partial<HeldPlan> = {}) => ({
  ...{ name, stable: version(name, 1, document), trial: undefined, trialState: null, share: 100 },
  ...more,
})
const ids = Array.from({ length: 2_000 }, (_, i) => `fdod_${i}`)
const chosen = (shelf: Shelf, id = 'fdod_a', devmod?: Devmod) => {
  const { plan, isTrial } = shelf.choose(device(id), devmod)
  return `${plan.name} ${plan.version}${isTrial ? ' on trial' : ''}`
}

describe('the place of a device', () => {
  it('is spread evenly, stays, and is another for each plan', () => {
    const places = ids.map((id) => placeOf('p', id))
    expect(Math.min(...places)).toBeGreaterThanOrEqual(0)
    expect(Math.max(...places)).toBeLessThan(100)
    for (const share of [10, 50, 90]) {
      const within = places.filter((place) => place < share).length / ids.length
      expect(Math.abs(within - share / 100)).toBeLessThan(0.03)
    }
    expect(ids.map((id) => placeOf('p', id))).toEqual(places)
    expect(ids.some((id) => Math.abs(placeOf('p', id) - placeOf('q', id)) > 50)).toBe(true)
  })

  it('is known for good: a version on trial reaches the same devices after an upgrade', () => {
    expect(placeOf('default', 'fdod_a').toFixed(4)).toBe('80.6257')
  })
})

describe('a version on trial', () => {
  const trial = version('default', 2, {})
  const at = (share: number, state: 'rolling' | 'stopped' = 'rolling') =>
    new Shelf([held('default', {}, { trial, trialState: state, share })])

  it('goes to a share of the devices, and those that have it keep it when that grows', () => {
    const reached = (share: number) =>
      new Set(ids.filter((id) => chosen(at(share), id) === 'default 2 on trial'))
    const [some, more] = [reached(20), reached(40)]
    expect([...some].every((id) => more.has(id))).toBe(true)
    expect(more.size).toBeGreaterThan(some.size)
    expect(reached(0).size).toBe(0)
    expect(reached(100).size).toBe(ids.length)
  })

  it('goes to nobody once it is stopped', () => {
    expect(chosen(at(100, 'stopped'))).toBe('default 1')
    expect(at(100).hasTrials).toBe(true)
    expect(at(100, 'stopped').hasTrials).toBe(false)
  })

  it('leaves the next plan to the others, where nothing held before', () => {
    const shelf = new Shelf([
      held(
        'cameras',
        {},
        {
          ...{ stable: undefined, share: 0, trialState: 'rolling' },
          trial: version('cameras', 1, { applies_to: { models: ['m'] } }),
        },
      ),
      held('default', {}),
    ])
    expect(chosen(shelf)).toBe('default 1')
    expect(shelf.explain(device('fdod_a'), undefined)).toMatchObject([
      { plan: 'default', outcome: 'chosen' },
      { plan: 'cameras', version: null, outcome: 'not-for-it' },
    ])
  })

  it('is for whom its own rules are', () => {
    const shelf = new Shelf([
      held(
        'p',
        { applies_to: { models: ['m'] } },
        {
          ...{ share: 100, trialState: 'rolling' },
          trial: version('p', 2, { applies_to: { models: ['n'] } }),
        },
      ),
    ])
    expect(chosen(shelf)).toBe('default 0')
  })
})

describe('of several plans', () => {
  const all = new Shelf([
    held('by-model', { applies_to: { models: ['m'] } }),
    held('by-group', { applies_to: { groups: ['g'] } }),
    held('by-os', { rules: [{ devmod: { os: ['Linux'] } }] }),
    held('by-id', { applies_to: { devices: ['fdod_a'] } }),
    held('default', {}),
  ])

  it('the most exact goes first; what a device says counts once it has', () => {
    expect(chosen(all)).toBe('by-id 1')
    expect(chosen(all, 'fdod_b')).toBe('by-group 1')
    expect(chosen(all, 'fdod_b', DEVMOD)).toBe('by-os 1')
  })

  it('one with a priority goes before all', () => {
    const shelf = new Shelf([
      held('by-id', { applies_to: { devices: ['fdod_a'] } }),
      held('by-model', { applies_to: { models: ['m'] }, priority: 1 }),
      held('default', { priority: 1000 }),
    ])
    expect(chosen(shelf)).toBe('by-model 1')
  })

  it('each is said why it is chosen, or is not', () => {
    expect(all.explain(device('fdod_b'), undefined)).toEqual([
      { plan: 'by-group', version: 1, outcome: 'chosen', because: 'it is for group g' },
      { plan: 'by-model', version: 1, outcome: 'passed-over', because: 'it is for model m' },
      {
        ...{ plan: 'default', version: 1, outcome: 'passed-over' },
        because: 'it is for whoever no plan names',
      },
      {
        ...{ plan: 'by-os', version: 1, outcome: 'undecided' },
        because: 'that depends on what the device says of itself',
      },
      {
        ...{ plan: 'by-id', version: 1, outcome: 'not-for-it' },
        because: 'it is for device fdod_a',
      },
    ])
    expect(new Shelf([]).explain(device('fdod_b'), undefined)).toMatchObject([
      { plan: 'default', version: 0, outcome: 'chosen' },
    ])
  })
})
