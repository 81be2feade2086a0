/** What a device would be sent, step by step, without a TO2. */
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import { REQUIRED_KEYS } from '../../../protocol/fsim/devmod/messages.ts'
import { TokenRefusal } from '../../../protocol/service-info/token-issuer.ts'
import type { DeviceRow } from '../../devices/store.ts'
import type { DeviceTokens, TokenGrant } from '../../tokens/device-tokens.ts'
import { type PlanChoiceServices, templateFactsOf } from '../choice.ts'
import { type PlanDocument, type StepDocument, nameOf } from '../plans/document.ts'
import type { DeviceFacts } from '../plans/rules.ts'
import type { Plan } from '../plans/shelf.ts'
import { fillStep, serviceDocument, stepOf } from '../plans/steps.ts'
import { type TemplateFacts, TemplateError } from '../plans/template.ts'

export interface DryRun {
  readonly device: DeviceRow
  readonly plan?: string | undefined
  readonly version?: number | undefined
  readonly document?: PlanDocument | undefined
  readonly devmod?: { readonly [Key in keyof Devmod]?: Devmod[Key] | undefined } | undefined
}

type Services = PlanChoiceServices

/** Modules that a device is taken to have which has never said: every one there is. */
const NOTHING_SAID: Devmod = {
  ...{ os: '', arch: '', version: '', device: '', sep: '/', bin: '' },
  ...{ sn: null, pathsep: null, nl: null, tmp: null, dir: null, progenv: null, mudurl: null },
  modules: ['fdo.command', 'fdo.csr', 'fdo.download', 'fdo.upload', 'fdo.wget', 'fdo_sys'],
}

export async function dryRun(services: Services, wanted: DryRun) {
  const { plans } = services
  const { device } = wanted
  const devmod = await devmodOf(services, wanted)
  const facts = factsOf(device)
  const because = [...(await plans.explain(facts, devmod))]
  const plan = await planFor(services, wanted, facts, devmod)
  const known = await templateFactsOf(services, facts, devmod)
  const addresses = services.serviceAddresses()
  const steps = []
  for (const [index, document] of plan.document.steps.entries()) {
    const step = { device: device.id, document, index, devmod, facts: known }
    steps.push(
      await tried(step, services, async (filled) => {
        // Nothing is held for a device that gets nothing.
        const held = { ref: '', sha384: '00'.repeat(48), length: 0 }
        const lend = async () => held
        const ingredients = { contentOf: () => held, lend, hold: lend, addresses }
        return stepOf(filled, index, devmod ?? NOTHING_SAID, ingredients)
      }),
    )
  }
  const { name, version } = plan
  return {
    device: device.id,
    plan: name,
    version,
    because,
    devmod_known: devmod !== undefined,
    steps,
  }
}

async function planFor(
  { plans }: Services,
  { device, plan, version, document }: DryRun,
  facts: DeviceFacts,
  devmod: Devmod | undefined,
): Promise<Plan> {
  const { party } = device
  if (document) return plans.draft(party, document)
  if (plan === undefined) {
    const choice = await plans.choose({ party, devmod, facts: async () => facts })
    return choice.plan
  }
  const { head, document: latest } = await plans.find(party, plan)
  if (!head) return plans.draft(party, latest)
  return plans.findPlan({ party, name: plan, version: version ?? head.version })
}

interface Tried {
  readonly device: string
  readonly document: StepDocument
  readonly index: number
  readonly devmod: Devmod | undefined
  readonly facts: TemplateFacts
}

async function tried(
  { device, document, index, devmod, facts }: Tried,
  { serviceAddresses, deviceTokens }: Services,
  make: (filled: StepDocument) => ReturnType<typeof stepOf>,
) {
  const common = { name: nameOf(document, index), type: document.type }
  const wanted = document.required
  try {
    const filled = fillStep(document, facts)
    const made = await make(filled)
    const modules = (made?.ways ?? []).map(({ module }) => module)
    const open = devmod ? modules.filter((module) => devmod.modules.includes(module)) : modules
    const required = wanted ?? open.length > 0
    const granted = made && (await grantOf(filled, device, deviceTokens))
    const nowhere = !made
      ? 'there is no TLS listener to use a certificate at'
      : open.length === 0
        ? `the device has none of ${modules.join(', ')}`
        : (granted?.refusal ?? null)
    const would = nowhere === null ? 'be-sent' : made && required ? 'fail' : 'be-skipped'
    const sent = { ...shown(filled, devmod ?? NOTHING_SAID, serviceAddresses), ...granted?.grant }
    return { ...common, modules: open, required, would, problem: nowhere, sent } as const
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    const required = wanted ?? true
    const would = error.isDue ? 'depend-on-devmod' : required ? 'fail' : 'be-skipped'
    const sent = { ...document }
    return { ...common, modules: NONE, required, would, problem: error.message, sent } as const
  }
}

const NONE: string[] = []

/** What a token for this device would be good for now; the token itself is made for nobody. */
async function grantOf(
  step: StepDocument,
  device: string,
  tokens: Pick<DeviceTokens, 'grantTo'>,
): Promise<{ readonly grant?: TokenGrant; readonly refusal?: string }> {
  if (step.type !== 'token') return {}
  const { audience = null, scopes = null } = step
  try {
    return { grant: await tokens.grantTo(device, { audience, scopes }) }
  } catch (error) {
    if (!(error instanceof TokenRefusal)) throw error
    return { refusal: error.message }
  }
}

/** With what is made for the device, as far as it is not a secret of its run. */
function shown(
  step: StepDocument,
  devmod: Devmod,
  serviceAddresses: Services['serviceAddresses'],
): Record<string, unknown> {
  const { template: _, ...rest } = step
  const addresses = serviceAddresses()
  if (step.type !== 'service' || !addresses) return rest
  return { ...rest, text: Buffer.from(serviceDocument(addresses, devmod)).toString() }
}

/** What was asked for over what the device said last; undefined where nothing is known. */
async function devmodOf(
  { devices }: Services,
  { device, devmod: given }: DryRun,
): Promise<Devmod | undefined> {
  const history = await devices.history(device.id)
  const note = history.findLast(({ type }) => type === 'devmod')
  const said = note?.detail ? (JSON.parse(note.detail) as Record<string, unknown>) : undefined
  if (!said && !given) return undefined
  const { serial, plan: _, ...rest } = said ?? {}
  const told = said ? { ...rest, sn: serial } : NOTHING_TOLD
  return { ...NOTHING_SAID, ...told, ...given } as Devmod
}

/** Not even what every device has to tell: a template that names it has nothing to go by. */
const NOTHING_TOLD = Object.fromEntries(REQUIRED_KEYS.map((key) => [key, undefined]))

function factsOf({ id, guid, party, group_name: group, model, serial }: DeviceRow): DeviceFacts {
  return { id, guid, party, group, model, serial }
}
