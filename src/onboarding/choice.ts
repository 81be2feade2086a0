/** Which plan a device gets in TO2, and its steps. */
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import type { PlanStep } from '../../protocol/service-info/plan.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { DeviceService } from '../devices/service.ts'
import type { Parties } from '../parties/service.ts'
import type { DeviceTokens } from '../tokens/device-tokens.ts'
import type { ServableVoucher } from '../vouchers/service.ts'
import type { Contents } from './content.ts'
import type { DeviceFacts } from './plans/rules.ts'
import type { Plans } from './plans/service.ts'
import type { Choice, Plan } from './plans/shelf.ts'
import { type Ingredients, type ServiceAddresses, stepsFor } from './plans/steps.ts'

export interface PlanChoiceServices {
  readonly devices: DeviceService
  readonly parties: Pick<Parties, 'find'>
  readonly plans: Plans
  readonly contents: Contents
  readonly deviceTokens: DeviceTokens
  /** Where devices use their certificates; undefined without a TLS listener. */
  readonly serviceAddresses: () => ServiceAddresses | undefined
}

/** A device's id is its party's alone, and stays: this is a short cut, and never wrong. */
const MOST_PARTIES_KEPT = 20_000

/** What was chosen, for the record. */
export interface Chosen extends Choice {
  readonly party: string | undefined
}

export class PlanChoice {
  readonly #services: PlanChoiceServices
  readonly #parties = new Map<string, string>()
  readonly #chosen = new WeakMap<Devmod, Chosen>()

  constructor(services: PlanChoiceServices) {
    this.#services = services
  }

  /** By what is known before the device has said what it is: whether it keeps its credential. */
  async beforehand({
    deviceId,
    party,
  }: Pick<ServableVoucher, 'deviceId' | 'party'>): Promise<Plan> {
    this.#parties.set(deviceId, party)
    if (this.#parties.size > MOST_PARTIES_KEPT) {
      this.#parties.delete(this.#parties.keys().next().value ?? '')
    }
    const facts = () => factsOf(this.#services.devices, deviceId)
    return (await this.#services.plans.choose({ party, facts })).plan
  }

  async stepsOf(deviceId: string, devmod: Devmod): Promise<readonly PlanStep[]> {
    const { devices, plans } = this.#services
    let found: DeviceFacts | undefined
    const facts = async () => (found ??= await factsOf(devices, deviceId))
    const party = this.#parties.get(deviceId)
    const choice = await plans.choose({ party, devmod, facts })
    this.#chosen.set(devmod, { ...choice, party: found?.party ?? party })
    return stepsFor(choice.plan.document, devmod, {
      ...ingredientsOf(this.#services, choice.plan),
      facts: async () => templateFactsOf(this.#services, await facts(), devmod),
    })
  }

  /** Of the plan that was made once this devmod was complete. */
  chosenFor(devmod: Devmod): Chosen | undefined {
    return this.#chosen.get(devmod)
  }

  /** Whether a run of this device may be part of a trial. */
  mayBeTried(deviceId: string): boolean {
    return this.#services.plans.mayHaveTrials(this.#parties.get(deviceId))
  }
}

function ingredientsOf(
  { contents, serviceAddresses }: Pick<PlanChoiceServices, 'contents' | 'serviceAddresses'>,
  plan: Plan,
): Omit<Ingredients, 'facts'> {
  return {
    contentOf(index) {
      const content = plan.contents.get(index)
      if (!content) throw new Error(`plan ${plan.name}: the content of step ${index} is gone`)
      return content
    },
    // The same for devices of all parties.
    hold: (bytes) => contents.put(HOME_PARTY, bytes),
    lend: (bytes) => contents.lend(bytes),
    addresses: serviceAddresses(),
  }
}

export async function templateFactsOf(
  { parties }: Pick<PlanChoiceServices, 'parties'>,
  device: DeviceFacts,
  devmod: Devmod | undefined,
) {
  return { ...device, partyName: (await parties.find(device.party)).name, devmod }
}

async function factsOf(devices: Pick<DeviceService, 'find'>, id: string): Promise<DeviceFacts> {
  const device = await devices.find(id)
  const { party = '', group_name: group = '', model = '' } = device ?? {}
  return { id, guid: device?.guid ?? '', party, group, model, serial: device?.serial ?? null }
}
