/** Plans as the management API takes and shows them. */
import { z } from '@hono/zod-openapi'
import { OPTIONAL_KEYS, REQUIRED_KEYS } from '../../../protocol/fsim/devmod/messages.ts'
import { DEFAULT_PLAN, digestOf, misplacedToken, rolloutOf, runsPrograms } from './document.ts'
import type { PlanStatus } from './service.ts'
import { Step } from './steps/view.ts'
import type { OutcomeCounts, VersionRow } from './store.ts'

export const PlanName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, 'letters, digits, dots and dashes')

const names = z.array(z.string().min(1).max(255)).min(1).max(10_000).optional()
const patterns = z.array(z.string().min(1).max(1024)).min(1).max(100).optional()
const DEVMOD_KEYS = [...REQUIRED_KEYS, ...OPTIONAL_KEYS, 'modules'] as const
/** A member for each key of devmod. */
export const ofDevmod = <T extends z.ZodType>(value: T) =>
  z.strictObject(
    Object.fromEntries(DEVMOD_KEYS.map((key) => [key, value])) as Record<
      (typeof DEVMOD_KEYS)[number],
      T
    >,
  )

const Serial = z.string().min(1).max(255)
const Rule = z
  .strictObject({
    devices: names,
    groups: names,
    models: names,
    serial: z
      .strictObject({ from: Serial, to: Serial })
      .refine(({ from, to }) => from.length === to.length && from <= to, {
        message: 'from and to have as many letters, and from comes first',
      })
      .optional(),
    devmod: ofDevmod(patterns)
      .optional()
      .openapi({ description: 'values, or with * at the end beginnings of values' }),
  })
  .refine((rule) => Object.values(rule).some((part) => part !== undefined), {
    message: 'a rule that says nothing',
  })
  .openapi('PlanRule')

const share = z.number().int().min(0).max(100)
const Rollout = z
  .strictObject({
    share: share.optional(),
    max_failed: z.number().int().min(1).max(1_000_000).optional(),
    max_failed_percent: z.number().int().min(1).max(100).optional(),
    watch: z.number().int().min(1).max(1_000_000).optional(),
  })
  .openapi('PlanRollout')

const anyNames = z.array(z.string().min(1).max(255)).max(10_000).optional()
const document = {
  description: z.string().max(1000).optional(),
  credential: z.enum(['new', 'reuse']).optional(),
  applies_to: z.strictObject({ devices: anyNames, groups: anyNames, models: anyNames }).optional(),
  rules: z.array(Rule).max(100).optional(),
  priority: z.number().int().min(-1000).max(1000).optional(),
  rollout: Rollout.optional(),
  steps: z.array(Step).max(64),
}

type Checkable = z.infer<z.ZodObject<typeof document>>

/** What cannot be said of one member alone. */
function checkDocument({ credential, rules = [], steps }: Checkable, context: z.RefinementCtx) {
  const refuse = (message: string) => context.addIssue({ code: 'custom', message })
  const named = steps.flatMap(({ name }) => (name === undefined ? [] : [name]))
  if (new Set(named).size < named.length) refuse('steps: two of one name')
  const misplaced = misplacedToken(steps)
  if (misplaced) refuse(`steps.${misplaced.index}: ${misplaced.why}`)
  if (credential === 'reuse' && rules.some(({ devmod }) => devmod)) {
    refuse('credential: what becomes of it is told before devmod: reuse cannot depend on that')
  }
}

export const NewPlan = z.strictObject({ ...document, name: PlanName }).superRefine(checkDocument)
export const PlanDocument = z.strictObject(document).superRefine(checkDocument)
export const ChangedPlan = z
  .strictObject({
    ...document,
    /** Stores nothing if the plan is at another version by now. */
    version: z.number().int().min(0).optional(),
  })
  .superRefine(checkDocument)

export const PlanView = z
  .object({
    name: z.string(),
    version: z.number().int(),
    ...document,
    status: z
      .enum(['in-force', 'awaiting-approval', 'rolling-out', 'stopped'])
      .openapi({ description: 'of this version' }),
    in_force: z
      .number()
      .int()
      .nullable()
      .openapi({ description: 'the version that devices get which the trial does not reach' }),
    trial: z
      .object({
        version: z.number().int(),
        share: z.number().int(),
        state: z.enum(['rolling', 'stopped']),
      })
      .nullable(),
    digest: z.string().openapi({ description: 'SHA-256 of the document: what approval names' }),
    changed_by: z.string().nullable(),
    created_at: z.string().nullable(),
    updated_at: z.string().nullable(),
  })
  .openapi('Plan')

export const PlanVersionView = z
  .object({
    name: z.string(),
    version: z.number().int(),
    digest: z.string(),
    runs_programs: z.boolean(),
    created_at: z.string(),
    created_by: z.string(),
    approved_at: z.string().nullable(),
    approved_by: z.string().nullable(),
  })
  .openapi('PlanVersion')

export const WholeVersionView = PlanVersionView.extend(document).openapi('WholePlanVersion')

export const ApprovalBody = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
  share: share.optional(),
})

export const RolloutChange = z
  .strictObject({ share: share.optional(), state: z.enum(['rolling', 'stopped']).optional() })
  .refine((change) => Object.values(change).some((one) => one !== undefined), {
    message: 'share or state',
  })

export const TrialView = z
  .object({
    version: z.number().int(),
    share: z.number().int(),
    state: z.enum(['rolling', 'stopped']),
    onboarded: z.number().int(),
    failed: z.number().int(),
    running: z.number().int(),
    max_failed: z.number().int(),
    max_failed_percent: z.number().int(),
    watch: z.number().int(),
  })
  .openapi('PlanTrial')

/** Of what is stored, the parts that are the document's. */
const stored = z.object(document)

export function planView({ head, latest, document: content }: PlanStatus) {
  const version = head?.version ?? 0
  const { trial = null, trial_state = null, share: part = 100, stable = 0 } = head ?? {}
  const status =
    version === stable
      ? ('in-force' as const)
      : version !== trial
        ? ('awaiting-approval' as const)
        : trial_state === 'stopped'
          ? ('stopped' as const)
          : ('rolling-out' as const)
  return {
    ...stored.parse(content),
    name: head?.name ?? DEFAULT_PLAN,
    version,
    status,
    in_force: stable,
    trial: trial === null || trial_state === null ? null : trialOf(trial, part, trial_state),
    digest: digestOf(latest?.document ?? JSON.stringify(content)),
    changed_by: latest?.created_by ?? null,
    created_at: head?.created_at ?? null,
    updated_at: head?.updated_at ?? null,
  }
}

function trialOf(version: number, part: number, state: 'rolling' | 'stopped') {
  return { version, share: part, state }
}

export function versionView(row: VersionRow) {
  const { name, version, created_at, created_by, approved_at, approved_by } = row
  return {
    ...{ name, version, digest: digestOf(row.document) },
    runs_programs: runsPrograms(stored.parse(JSON.parse(row.document))),
    ...{ created_at, created_by, approved_at, approved_by },
  }
}

export function wholeVersionView(row: VersionRow) {
  return { ...stored.parse(JSON.parse(row.document)), ...versionView(row) }
}

/** Of the version that is on trial, with its document. */
export function trialView({ head, document: tried }: PlanStatus, counts: OutcomeCounts) {
  if (!head || head.trial === null || head.trial_state === null) {
    throw new Error('a plan without a trial')
  }
  const { max_failed = 0, max_failed_percent = 0, watch = 0 } = rolloutOf(tried) ?? {}
  const trial = trialOf(head.trial, head.share, head.trial_state)
  return { ...trial, ...counts, max_failed, max_failed_percent, watch }
}
