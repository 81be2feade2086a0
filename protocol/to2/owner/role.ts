/** TO2, the Owner's side: which step answers which message, and how its states are packed. */
import { bytes, int, nullable, text, tuple, uint16, uint32 } from '../../cbor/schema.ts'
import { HMac } from '../../crypto/hash.ts'
import { type Role, type StateSchemas, on } from '../../role.ts'
import { OwnerSession } from '../../service-info/owner-session.ts'
import { Guid, Nonce } from '../../types/base.ts'
import {
  DeviceServiceInfo,
  DeviceServiceInfoReady,
  Done,
  GetOVNextEntry,
  HelloDevice,
  ProveDevice,
} from '../messages.ts'
import { Tunnel, onSealed } from '../tunnel.ts'
import { done } from './done.ts'
import { proveDevice } from './prove-device.ts'
import { getOVNextEntry, helloDevice } from './prove-voucher.ts'
import { deviceServiceInfo, deviceServiceInfoReady } from './service-info.ts'
import type { To2OwnerContext, To2OwnerEffect, To2OwnerState } from './state.ts'

export const to2Owner: Role<To2OwnerState, To2OwnerContext, To2OwnerEffect> = {
  'TO2.HelloDevice': [on(HelloDevice, helloDevice)],
  'TO2.ProveDevice': [on(GetOVNextEntry, getOVNextEntry), on(ProveDevice, proveDevice)],
  'TO2.DeviceServiceInfoReady': [onSealed(DeviceServiceInfoReady, deviceServiceInfoReady)],
  'TO2.DeviceServiceInfo': [onSealed(DeviceServiceInfo, deviceServiceInfo)],
  'TO2.Done': [onSealed(DeviceServiceInfo, deviceServiceInfo), onSealed(Done, done)],
}

const proven = {
  tunnel: Tunnel,
  run: tuple({ guid: Guid, deviceId: text, voucherRevision: text, nonceTO2ProveDv: Nonce }),
  nonceTO2SetupDv: Nonce,
  replacementHeader: nullable(bytes()),
}
const talking = tuple({
  ...proven,
  replacementHMac: nullable(HMac),
  sendLimit: uint32,
  session: OwnerSession,
})

export const to2OwnerStates: StateSchemas<To2OwnerState> = {
  'TO2.HelloDevice': tuple({}),
  'TO2.ProveDevice': tuple({
    guid: Guid,
    nonceTO2ProveDv: Nonce,
    kex: text,
    kexSecret: bytes(),
    cipher: int,
    sgType: int,
    maxDeviceMessageSize: uint16,
  }),
  'TO2.DeviceServiceInfoReady': tuple({ ...proven, maxDeviceMessageSize: uint16 }),
  'TO2.DeviceServiceInfo': talking,
  'TO2.Done': talking,
}
