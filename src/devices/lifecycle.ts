/** The states of a device, and which of them follow on which. */
import type { DeviceTable } from '../database/tables/devices.ts'

export type DeviceState = DeviceTable['state']

/** The moves there are; several of them lead back to `owned`. */
export type Move =
  | 'manufactured'
  | 'owned'
  | 'registered'
  | 'registration-lapsed'
  | 'onboarding'
  | 'onboarded'
  | 'failed'
  | 'handed-over'
  | 'retired'
  | 'restored'
  | 'back-in-stock'

const ANY: readonly DeviceState[] = [
  'manufactured',
  'owned',
  'registered',
  'onboarding',
  'onboarded',
  'failed',
  'handed-over',
  'retired',
]

/** Each move: where it leads, and from where it is allowed. */
export const MOVES: Record<Move, { readonly to: DeviceState; readonly from: typeof ANY }> = {
  // DI, and a voucher by which the device is ours, begin a life whatever was before.
  manufactured: { to: 'manufactured', from: ANY },
  owned: { to: 'owned', from: ANY },
  // A renewal says nothing new of a device that is further on.
  registered: { to: 'registered', from: ['owned'] },
  'registration-lapsed': { to: 'owned', from: ['registered'] },
  // Again and again: a run that is broken off does not use up the voucher, and one whose 71 was
  // lost is repeated by a device that is onboarded already.
  onboarding: {
    to: 'onboarding',
    from: ['owned', 'registered', 'onboarding', 'onboarded', 'failed'],
  },
  // Another run of the same device may have failed meanwhile.
  onboarded: { to: 'onboarded', from: ['onboarding', 'failed'] },
  failed: { to: 'failed', from: ['onboarding'] },
  // Sold to somebody else: from here only a voucher leads back.
  'handed-over': { to: 'handed-over', from: ANY },
  // Out of service for good, unless a voucher of it is restored, or brought once more.
  retired: {
    to: 'retired',
    from: ['manufactured', 'owned', 'registered', 'onboarding', 'onboarded', 'failed'],
  },
  restored: { to: 'owned', from: ['retired'] },
  'back-in-stock': { to: 'manufactured', from: ['retired'] },
}

export const DEVICE_STATES = ANY
