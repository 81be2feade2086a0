import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Devmod } from '../../../../../protocol/fsim/devmod/messages.ts'
import type { PlanDocument, Rule } from '../../../../../src/onboarding/plans/document.ts'
import {
  type DeviceFacts,
  ambiguityOf,
  describeRule,
  matchOf,
  overlap,
  rulesOf,
  weightOf,
} from '../../../../../src/onboarding/plans/rules.ts'

const DEVICE: DeviceFacts = {
  ...{ id: 'fdod_a', guid: 'aa', party: 'fdop_home', group: 'g', model: 'm', serial: 'SN-0100' },
}
const DEVMOD: Devmod = {
  ...{ os: 'Linux', arch: 'armv7', version: '1', device: 'd', sep: ';', bin: 'arm' },
  ...{ sn: 'SN-0200', pathsep: '/', nl: null, tmp: null, dir: null, progenv: null, mudurl: null },
  modules: ['fdo.command', 'fdo.download'],
}
const match = (rule: Rule, devmod: Devmod | undefined = DEVMOD, device = DEVICE) =>
  matchOf(rule, device, devmod)

describe('a rule', () => {
  it.each<[Rule, 'yes' | 'no']>([
    [{ devices: ['fdod_a', 'fdod_b'] }, 'yes'],
    [{ devices: ['fdod_b'] }, 'no'],
    [{ groups: ['g'] }, 'yes'],
    [{ groups: ['h'] }, 'no'],
    [{ models: ['m'], groups: ['g'] }, 'yes'],
    [{ models: ['m'], groups: ['h'] }, 'no'],
    [{ serial: { from: 'SN-0100', to: 'SN-0199' } }, 'yes'],
    [{ serial: { from: 'SN-0000', to: 'SN-0100' } }, 'yes'],
    [{ serial: { from: 'SN-0101', to: 'SN-0199' } }, 'no'],
    // Not ninety-nine, and not SN-01: as many letters.
    [{ serial: { from: 'SN-01', to: 'SN-99' } }, 'no'],
    [{ devmod: { os: ['Linux'] } }, 'yes'],
    [{ devmod: { os: ['linux'] } }, 'no'],
    [{ devmod: { arch: ['x86', 'arm*'] } }, 'yes'],
    [{ devmod: { arch: ['armv7l*'] } }, 'no'],
    [{ devmod: { os: ['Linux'], arch: ['x86'] } }, 'no'],
    [{ devmod: { modules: ['fdo.command'] } }, 'yes'],
    [{ devmod: { modules: ['fdo.wget'] } }, 'no'],
    [{ devmod: { tmp: ['*'] } }, 'no'],
    [{ devmod: {} }, 'yes'],
  ])('%j: %s', (rule, expected) => {
    expect(match(rule)).toBe(expected)
  })

  it('about what a device says is undecided until it has', () => {
    expect(matchOf({ devmod: { os: ['Linux'] } }, DEVICE, undefined)).toBe('unknown')
    expect(matchOf({ devmod: { os: ['Linux'] }, models: ['n'] }, DEVICE, undefined)).toBe('no')
    const unnamed = { ...DEVICE, serial: null }
    const range = { serial: { from: 'SN-0200', to: 'SN-0299' } }
    expect(matchOf(range, unnamed, undefined)).toBe('unknown')
    expect(matchOf(range, unnamed, DEVMOD)).toBe('yes')
    expect(matchOf(range, unnamed, { ...DEVMOD, sn: null })).toBe('no')
    // What the factory wrote down counts, not what the device says.
    expect(matchOf(range, DEVICE, DEVMOD)).toBe('no')
  })

  it('finds a device among many', () => {
    const devices = Array.from({ length: 5_000 }, (_, i) => `fdod_${i}`)
    expect(match({ devices })).toBe('no')
    expect(match({ devices: [...devices, 'fdod_a'] })).toBe('yes')
  })

  it('goes first the more exact it is', () => {
    const inOrder: Rule[] = [
      { models: ['m'] },
      { groups: ['g'] },
      { groups: ['g'], models: ['m'] },
      { devmod: { os: ['Linux'] } },
      { serial: { from: 'a', to: 'b' } },
      { serial: { from: 'a', to: 'b' }, models: ['m'] },
      { devices: ['fdod_a'] },
    ]
    const weights = inOrder.map(weightOf)
    expect(weights).toEqual(weights.toSorted((a, b) => a - b))
    expect(new Set(weights).size).toBe(weights.length)
  })

  it('is told in words', () => {
    const rule = {
      models: ['a', 'b', 'c', 'd'],
      serial: { from: '1', to: '2' },
      devmod: { os: ['Linux', 'Win*'] },
    }
    expect(describeRule(rule)).toBe('serial 1 to 2, devmod.os Linux or Win*, models a, b, c, …')
  })
})

describe('two plans', () => {
  const plan = (document: Partial<PlanDocument>): PlanDocument => ({ steps: [], ...document })

  it.each<[Partial<PlanDocument>, Partial<PlanDocument>, string | undefined]>([
    [{ applies_to: { models: ['a', 'b'] } }, { applies_to: { models: ['b', 'c'] } }, 'model b'],
    [{ applies_to: { models: ['a'] } }, { applies_to: { models: ['b'] } }, undefined],
    [{ applies_to: { models: ['a'] } }, { applies_to: { groups: ['a'] } }, undefined],
    [
      { rules: [{ serial: { from: '10', to: '20' } }] },
      { rules: [{ serial: { from: '20', to: '30' } }] },
      'serial 20 to 30',
    ],
    [
      { rules: [{ serial: { from: '10', to: '20' } }] },
      { rules: [{ serial: { from: '21', to: '30' } }] },
      undefined,
    ],
    [
      { rules: [{ devmod: { os: ['Linux'] } }] },
      { rules: [{ devmod: { arch: ['arm'] } }] },
      'devmod.arch arm',
    ],
    [
      { rules: [{ devmod: { os: ['Lin*'] } }] },
      { rules: [{ devmod: { os: ['Linux'] } }] },
      'devmod.os Linux',
    ],
    [{ rules: [{ devmod: { os: ['a*'] } }] }, { rules: [{ devmod: { os: ['b*'] } }] }, undefined],
    [
      { rules: [{ devmod: { modules: ['a'] } }] },
      { rules: [{ devmod: { modules: ['b'] } }] },
      'devmod.modules b',
    ],
    [{ priority: 1, applies_to: { models: ['a'] } }, { applies_to: { models: ['a'] } }, undefined],
  ])('%j and %j: %s', (one, other, expected) => {
    expect(ambiguityOf(plan(one), plan(other))).toBe(expected)
  })

  it('that are not refused are never both first for a device', () => {
    const some = (...names: string[]) => fc.option(fc.subarray(names, { minLength: 1 }), NIL)
    const serial = fc
      .tuple(fc.integer({ min: 10, max: 19 }), fc.integer({ min: 10, max: 19 }))
      .map(([a, b]) => ({ from: String(Math.min(a, b)), to: String(Math.max(a, b)) }))
    const rule = fc.record({
      devices: some('fdod_a', 'fdod_b'),
      groups: some('g', 'h'),
      models: some('m', 'n'),
      serial: fc.option(serial, NIL),
      devmod: fc.option(
        fc.record({ os: some('Linux', 'Li*', 'Win', '*'), arch: some('x', 'y*') }),
        NIL,
      ),
    })
    const document = fc.record({
      steps: fc.constant([]),
      rules: fc.array(rule, { maxLength: 3 }),
      priority: fc.integer({ min: 0, max: 1 }),
    })
    const device = fc.record({
      id: fc.constantFrom('fdod_a', 'fdod_b'),
      group: fc.constantFrom('g', 'h'),
      model: fc.constantFrom('m', 'n'),
      serial: fc.integer({ min: 9, max: 20 }).map(String),
      os: fc.constantFrom('Linux', 'Lisp', 'Win'),
      arch: fc.constantFrom('x', 'y1'),
    })
    fc.assert(
      fc.property(document, document, device, (one, other, { os, arch, ...facts }) => {
        const rank = (it: PlanDocument) =>
          Math.max(
            -1,
            ...rulesOf(it)
              .filter((r) => match(r, { ...DEVMOD, os, arch }, { ...DEVICE, ...facts }) === 'yes')
              .map((r) => 100 * (it.priority ?? 0) + weightOf(r)),
          )
        const isTie = rank(one) >= 0 && rank(one) === rank(other)
        if (isTie) expect(ambiguityOf(one, other)).toBeTypeOf('string')
        expect(ambiguityOf(one, other) === undefined).toBe(ambiguityOf(other, one) === undefined)
      }),
      { numRuns: 2_000 },
    )
  })

  it('overlap in both ways or in none', () => {
    const range = { serial: { from: '10', to: '20' } }
    expect(overlap(range, { serial: { from: '1', to: '9' } })).toBe(false)
    expect(overlap({ devmod: { os: ['*'] } }, { devmod: { os: ['x'] } })).toBe(true)
    expect(overlap({ devmod: { os: ['x'] } }, { devmod: { os: ['*'] } })).toBe(true)
  })
})

const NIL = { nil: undefined }
