/** TO2 as this service plays the Owner. */
import { PeerRefusal } from '../../protocol/error-message.ts'
import { CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { FdoError } from '../../protocol/errors.ts'
import { OWNER_MODULES } from '../../protocol/fsim/owner-modules.ts'
import { PlanFailure } from '../../protocol/service-info/owner-work.ts'
import { SERVICE_INFO_LIMITS } from '../../protocol/service-info/owner-session.ts'
import type { OwnerKeyExchange } from '../../protocol/to2/key-exchange.ts'
import { to2Owner, to2OwnerStates } from '../../protocol/to2/owner/role.ts'
import type {
  To2OwnerContext,
  To2OwnerEffect,
  To2OwnerState,
} from '../../protocol/to2/owner/state.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import { ContentGone } from './content.ts'
import { PlanChoice, type PlanChoiceServices } from './choice.ts'
import { ProgressLog } from './progress/log.ts'
import { DeviceRecord, type RecordServices, bearerOf } from './record.ts'
import { type ReplacementServices, replacementFor } from './replacement.ts'
import type { ServableVoucher } from '../vouchers/service.ts'

export interface OnboardingServices
  extends RecordServices, ReplacementServices, PlanChoiceServices {
  readonly keyExchange: OwnerKeyExchange
  /** Beside the AEAD suites, which are always offered. */
  readonly extraCiphers?: readonly number[]
}

/** What a 68 may measure: more makes uploads quicker, and the largest message is 65,535 bytes. */
const MAX_DEVICE_SERVICE_INFO_BYTES = 8192

/** A content of 256 MiB to a device that takes 1300 bytes at a time; an upload of that size. */
const LIMITS = { ...SERVICE_INFO_LIMITS, maxRounds: 400_000, maxReceivedBytes: 512 << 20 }

export function onboardingRole(services: OnboardingServices): MountedRole {
  const choice = new PlanChoice(services)
  const record = new DeviceRecord(services, choice)
  const progress = new ProgressLog(services.clock)
  const context = contextOf(services, choice)
  return mount<To2OwnerState, To2OwnerContext, To2OwnerEffect>({
    name: 'TO2',
    role: to2Owner,
    states: to2OwnerStates,
    firstMessage: 60,
    initialState: { expects: 'TO2.HelloDevice' },
    rows: ['TO2.DeviceServiceInfoReady', 'TO2.DeviceServiceInfo', 'TO2.Done'],
    context: () => context,
    write: (effect, tx) => record.write(effect, tx),
    moved: (moved, tx) => progress.moved(moved, tx),
    durable: ['onboarded'],
    committed: (effect) => record.committed(effect),
    brokenOff: async (state, error, tx) => {
      if (!('run' in state)) return
      const failure = { error, reason: reasonOf(error), step: stepOf(state, error) }
      await record.failed(state.run, failure, tx)
    },
  })
}

function contextOf(services: OnboardingServices, choice: PlanChoice): To2OwnerContext {
  const { vouchers, pki, contents, uploads, deviceTokens, randomBytes, keyExchange } = services
  const { extraCiphers = [] } = services
  const offered = [...CIPHERS.values()].filter(({ isEnabledByDefault }) => isEnabledByDefault)
  return {
    randomBytes,
    limits: { maxDeviceServiceInfoSz: MAX_DEVICE_SERVICE_INFO_BYTES },
    ciphers: [...offered.map(({ id }) => id), ...extraCiphers],
    keyExchange,
    findVoucher: (guid) => vouchers.findServable(guid),
    async newCredential(served) {
      // It is what findVoucher gave.
      const voucher = served as ServableVoucher
      return replacementFor(voucher, await choice.beforehand(voucher), services)
    },
    serviceInfoFor(run) {
      const bearer = bearerOf(run)
      return {
        modules: OWNER_MODULES,
        limits: LIMITS,
        planFor: (device) => choice.stepsOf(bearer.deviceId, device),
        readContent: (ref, offset, length) => contents.read(ref, offset, length),
        readUpload: (name, offset, length) => uploads.read({ ...bearer, name }, offset, length),
        credentials: pki.credentialsFor(bearer),
        tokens: {
          issue: (certificate, wanted) => deviceTokens.issue(bearer.deviceId, certificate, wanted),
        },
      }
    },
  }
}

/** The step that was under way; undefined where none had begun. */
function stepOf(state: To2OwnerState, error: unknown): string | undefined {
  if (error instanceof PlanFailure) return error.step
  return 'session' in state ? state.session.running.at(-1)?.step.name : undefined
}

/** For the log and the administrator; the device has been told a code, or has told us one. */
function reasonOf(error: unknown): string {
  if (error instanceof FdoError || error instanceof PeerRefusal) return error.message
  if (error instanceof ContentGone) return error.message
  return 'an error of this service: see its log'
}
