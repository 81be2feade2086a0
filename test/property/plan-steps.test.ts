/** Whatever somebody puts as the steps of a plan: it is refused, or devices can be given it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import { OWNER_MODULES } from '../../protocol/fsim/owner-modules.ts'
import type { StepDocument } from '../../src/onboarding/plans/document.ts'
import { stepOf } from '../../src/onboarding/plans/steps.ts'
import { PlanDocument } from '../../src/onboarding/plans/view.ts'
import { ALL_DEVICE_SCOPES } from '../../src/tokens/scopes.ts'
import { devmodOf } from '../support/service-info-world.ts'

const often = <T>(arbitrary: fc.Arbitrary<T>) => ({ arbitrary, weight: 12 })
const rarely = <T>(arbitrary: fc.Arbitrary<T>) => ({ arbitrary, weight: 1 })
const missing = often(fc.constant(undefined))
const anything = fc.anything({ maxDepth: 2 })
const wrongScope = fc.constantFrom('administrator', 'device:', ' ', 'toString')
const scopes = fc.subarray<string>([...ALL_DEVICE_SCOPES], { minLength: 1 })
/** Mostly as it should be. */
const token = fc.record({
  type: fc.constant('token'),
  path: fc.oneof(
    often(fc.string({ minLength: 1, maxLength: 255 })),
    rarely(fc.string({ minLength: 256, maxLength: 300 })),
    rarely(anything),
  ),
  audience: fc.oneof(missing, often(fc.webUrl()), rarely(fc.string()), rarely(anything)),
  scopes: fc.oneof(missing, often(scopes), rarely(fc.array(wrongScope)), rarely(anything)),
  required: fc.oneof(missing, often(fc.boolean()), rarely(anything)),
  template: fc.oneof(missing, often(fc.constant(false)), rarely(fc.constant(true))),
  name: fc.oneof(missing, rarely(fc.string())),
})
const plain = fc.constantFrom({ type: 'identity' }, { type: 'service' })
const rest = fc.array(fc.oneof(token, plain), { maxLength: 4 })
const steps = fc.oneof(
  rest,
  rest.map((others) => [{ type: 'identity' }, ...others]),
)

/** Said once more, for each step by itself. */
function isInPlace(types: readonly string[]): boolean {
  return types.every(
    (type, i) =>
      type !== 'token' ||
      (types.slice(0, i).includes('identity') && !types.slice(i).includes('identity')),
  )
}

const DEVICE: Devmod = devmodOf('fdo.csr', 'fdo.download', 'fdo_sys')
const HELD = { ref: 'x', sha384: '00'.repeat(48), length: 1 }
const ingredients = {
  contentOf: () => HELD,
  hold: async () => HELD,
  lend: async () => HELD,
  addresses: { token_url: 'https://x.test/oauth/token', api_url: 'https://x.test' },
}

describe('the steps of a plan', () => {
  it('with tokens are refused, or become what modules can be given', async () => {
    let taken = 0
    await fc.assert(
      fc.asyncProperty(steps, async (put) => {
        const { success, data } = PlanDocument.safeParse({ steps: put })
        if (!isInPlace(put.map(({ type }) => type))) expect(success).toBe(false)
        if (!data) return
        if (data.steps.some(({ type }) => type === 'token')) taken++
        for (const [index, step] of data.steps.entries()) {
          if (step.type === 'token') expectFit(step)
          const made = await stepOf(step, index, DEVICE, ingredients)
          for (const { module, task } of made?.ways ?? []) {
            const isAbout = OWNER_MODULES.get(module)?.needsCertificate(task)
            expect(isAbout).toBe(step.type === 'token')
          }
        }
      }),
      { numRuns: 1000 },
    )
    expect(taken).toBeGreaterThan(50)
  })

  it('that are anything at all are refused', () => {
    fc.assert(
      fc.property(fc.array(anything, { minLength: 1, maxLength: 3 }), (put) => {
        expect(PlanDocument.safeParse({ steps: put }).success).toBe(false)
      }),
    )
  })
})

function expectFit(step: Extract<StepDocument, { type: 'token' }>): void {
  expect(step.template ?? false).toBe(false)
  expect(step.path.length).toBeGreaterThan(0)
  expect(step.path.length).toBeLessThanOrEqual(255)
  for (const one of step.scopes ?? []) expect(ALL_DEVICE_SCOPES).toContain(one)
  expect(step.scopes).not.toEqual([])
  if (step.audience !== undefined) expect(URL.canParse(step.audience)).toBe(true)
}
