/** TO2, the Device's side: which step answers which message. `beginTo2` gives the first. */
import { type Role, on } from '../../role.ts'
import {
  Done2,
  OVNextEntry,
  OwnerServiceInfo,
  OwnerServiceInfoReady,
  ProveOVHdr,
  SetupDevice,
} from '../messages.ts'
import { onSealed } from '../tunnel.ts'
import { done2 } from './done.ts'
import { setupDevice } from './prove-device.ts'
import { ovNextEntry, proveOVHdr } from './prove-voucher.ts'
import { ownerServiceInfo, ownerServiceInfoReady } from './service-info.ts'
import type { To2DeviceContext, To2DeviceEffect, To2DeviceState } from './state.ts'

export const to2Device: Role<To2DeviceState, To2DeviceContext, To2DeviceEffect> = {
  'TO2.ProveOVHdr': [on(ProveOVHdr, proveOVHdr)],
  'TO2.OVNextEntry': [on(OVNextEntry, ovNextEntry)],
  'TO2.SetupDevice': [onSealed(SetupDevice, setupDevice)],
  'TO2.OwnerServiceInfoReady': [onSealed(OwnerServiceInfoReady, ownerServiceInfoReady)],
  'TO2.OwnerServiceInfo': [onSealed(OwnerServiceInfo, ownerServiceInfo)],
  'TO2.Done2': [onSealed(Done2, done2)],
}
