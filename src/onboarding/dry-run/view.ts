/** A dry run as the management API takes and shows it. */
import { z } from '@hono/zod-openapi'
import { PlanDocument, PlanName, ofDevmod } from '../plans/view.ts'

const DryRunDevmod = ofDevmod(z.string().max(1024).optional()).extend({
  modules: z.array(z.string().max(255)).max(1024).optional(),
})

export const DryRunBody = z.strictObject({
  plan: PlanName.optional().openapi({ description: 'this one, whichever the device would get' }),
  version: z.number().int().min(1).optional(),
  document: PlanDocument.optional().openapi({ description: 'one that nobody has put yet' }),
  devmod: DryRunDevmod.optional().openapi({
    description: 'what the device says of itself; else what it said last',
  }),
})

export const DryRunView = z
  .object({
    device: z.string(),
    plan: z.string(),
    version: z.number().int(),
    /** Every plan that was looked at, the chosen one first. */
    because: z.array(
      z.object({
        plan: z.string(),
        version: z.number().int().nullable(),
        outcome: z.enum(['chosen', 'passed-over', 'not-for-it', 'undecided']),
        because: z.string(),
      }),
    ),
    devmod_known: z.boolean(),
    steps: z.array(
      z.object({
        name: z.string(),
        type: z.string(),
        modules: z
          .array(z.string())
          .openapi({ description: 'the ways to take it that this device has, in order' }),
        required: z.boolean(),
        would: z.enum(['be-sent', 'be-skipped', 'fail', 'depend-on-devmod']),
        problem: z.string().nullable(),
        sent: z
          .record(z.string(), z.unknown())
          .openapi({ description: 'the step as this device would get it' }),
      }),
    ),
  })
  .openapi('DryRun')
