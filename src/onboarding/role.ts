/** TO2 as this service plays the Owner. */
import { toHex } from '../../protocol/bytes.ts'
import { PeerRefusal } from '../../protocol/error-message.ts'
import { CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { FdoError } from '../../protocol/errors.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import { OWNER_MODULES } from '../../protocol/fsim/owner-modules.ts'
import { SERVICE_INFO_LIMITS } from '../../protocol/service-info/owner-session.ts'
import type { OwnerKeyExchange } from '../../protocol/to2/key-exchange.ts'
import { to2Owner, to2OwnerStates } from '../../protocol/to2/owner/role.ts'
import type {
  Run,
  To2OwnerContext,
  To2OwnerEffect,
  To2OwnerState,
} from '../../protocol/to2/owner/state.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import type { ContentStore } from './content.ts'
import { DeviceRecord, type RecordServices } from './record.ts'
import { type ServiceAddresses, stepsFor } from './plan.ts'
import type { Plan, Plans } from './plans.ts'
import { type ReplacementServices, replacementFor } from './replacement.ts'
import type { ServableVoucher } from '../vouchers/service.ts'

export interface OnboardingServices extends RecordServices, ReplacementServices {
  readonly plans: Plans
  readonly contents: ContentStore
  readonly keyExchange: OwnerKeyExchange
  /** Where devices use their certificates; undefined without a TLS listener. */
  readonly serviceAddresses: () => ServiceAddresses | undefined
  /** Beside the AEAD suites, which are always offered. */
  readonly extraCiphers?: readonly number[]
}

/** What a 68 may measure: more makes uploads quicker, and the largest message is 65,535 bytes. */
const MAX_DEVICE_SERVICE_INFO_BYTES = 8192

const LIMITS = { ...SERVICE_INFO_LIMITS, maxRounds: 100_000, maxReceivedBytes: 256 << 20 }

export function onboardingRole(services: OnboardingServices): MountedRole {
  const record = new DeviceRecord(services)
  const context = contextOf(services)
  return mount<To2OwnerState, To2OwnerContext, To2OwnerEffect>({
    name: 'TO2',
    role: to2Owner,
    states: to2OwnerStates,
    firstMessage: 60,
    initialState: { expects: 'TO2.HelloDevice' },
    rows: ['TO2.DeviceServiceInfoReady', 'TO2.DeviceServiceInfo', 'TO2.Done'],
    context: () => context,
    write: (effect, tx) => record.write(effect, tx),
    durable: ['onboarded'],
    committed: (effect) => record.committed(effect),
    brokenOff: async (state, error, tx) => {
      if ('run' in state) await record.failed(state.run, reasonOf(error), tx)
    },
  })
}

function contextOf(services: OnboardingServices): To2OwnerContext {
  const { vouchers, pki, contents, uploads, randomBytes, keyExchange } = services
  const { extraCiphers = [] } = services
  const offered = [...CIPHERS.values()].filter(({ isEnabledByDefault }) => isEnabledByDefault)
  const steps = new StepMaker(services)
  return {
    randomBytes,
    limits: { maxDeviceServiceInfoSz: MAX_DEVICE_SERVICE_INFO_BYTES },
    ciphers: [...offered.map(({ id }) => id), ...extraCiphers],
    keyExchange,
    findVoucher: (guid) => vouchers.findServable(guid),
    newCredential: async (served) =>
      // It is what findVoucher gave.
      replacementFor(served as ServableVoucher, await steps.planOf(served.deviceId), services),
    serviceInfoFor(run) {
      const { deviceId } = run
      const runId = runIdOf(run)
      return {
        modules: OWNER_MODULES,
        limits: LIMITS,
        planFor: (device) => steps.stepsOf(deviceId, device),
        readContent: (ref, offset, length) => contents.read(ref, offset, length),
        readUpload: (name, offset, length) =>
          uploads.read({ deviceId, runId, name }, offset, length),
        credentials: pki.credentialsFor({ deviceId, runId }),
      }
    },
  }
}

/** Names the certificates and the uploads of one run. */
function runIdOf({ nonceTO2ProveDv }: Run): string {
  return toHex(nonceTO2ProveDv)
}

class StepMaker {
  readonly #services: OnboardingServices

  constructor(services: OnboardingServices) {
    this.#services = services
  }

  async planOf(deviceId: string): Promise<Plan> {
    const { devices, plans } = this.#services
    return plans.choose(deviceId, async (id) => {
      const device = await devices.find(id)
      const { party = '', group_name: group = '', model = '' } = device ?? {}
      return { party, group, model }
    })
  }

  async stepsOf(deviceId: string, device: Devmod) {
    const { contents, serviceAddresses } = this.#services
    const plan = await this.planOf(deviceId)
    return stepsFor(plan.document, device, {
      contentOf(index) {
        const content = plan.contents.get(index)
        if (!content) throw new Error(`plan ${plan.name}: the content of step ${index} is gone`)
        return content
      },
      // The same for devices of all parties.
      hold: (bytes) => contents.put(HOME_PARTY, bytes),
      addresses: serviceAddresses(),
    })
  }
}

/** For the log and the administrator; the device has been told a code, or has told us one. */
function reasonOf(error: unknown): string {
  if (error instanceof FdoError || error instanceof PeerRefusal) return error.message
  return 'an error of this service: see its log'
}
