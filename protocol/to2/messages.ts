/**
 * TO2: a Device and its Owner prove themselves to each other, and the Device gets new credentials.
 * FDO 1.1, "Transfer Ownership Protocol 2 (TO2)". The CDDL quoted here is the spec's.
 *
 * From TO2.SetupDevice on every body travels sealed; `SEALED` messages are written down by what is
 * inside, and the tunnel around them is the same for all.
 */
import type { Bytes } from '../bytes.ts'
import { Encoded } from '../cbor/cbor.ts'
import { bytesOf } from '../cbor/scan.ts'
import {
  type Infer,
  type Kept,
  type Schema,
  bytes,
  int,
  kept,
  nullable,
  text,
  tuple,
  uint16,
  uint8,
  wrapped,
} from '../cbor/schema.ts'
import { Sign1 } from '../cose/sign1.ts'
import { HMac, Hash } from '../crypto/hash.ts'
import { PublicKey } from '../crypto/public-key.ts'
import { type BodyOf, type MessageType, messageType } from '../message.ts'
import {
  DeviceServiceInfo as DeviceServiceInfoBody,
  OwnerServiceInfo as OwnerServiceInfoBody,
} from '../service-info/service-info.ts'
import { Guid, Nonce, SigInfo } from '../types/base.ts'
import { RendezvousInfo } from '../types/rendezvous-info.ts'
import { OVEntry, OVHeader } from '../voucher/voucher.ts'

/**
 * TO2.HelloDevice, Type 60, Device → Owner. Kept whole: its hash goes into the answer.
 *
 *     TO2.HelloDevice = [
 *       maxDeviceMessageSize, Guid, NonceTO2ProveOV, kexSuiteName, cipherSuiteName, eASigInfo ]
 */
export const HelloDeviceBody = tuple({
  maxDeviceMessageSize: uint16,
  guid: Guid,
  nonceTO2ProveOV: Nonce,
  kexSuiteName: text,
  cipherSuiteName: int,
  eASigInfo: SigInfo,
})
export const HelloDevice = messageType(60, 'TO2.HelloDevice', kept(HelloDeviceBody))
export type HelloDevice = BodyOf<typeof HelloDevice>

/**
 * TO2.ProveOVHdr, Type 61, Owner → Device.
 *
 *     TO2.ProveOVHdr = CoseSignature  ;; payload TO2ProveOVHdrPayload,
 *                                     ;; unprotected CUPHNonce and CUPHOwnerPubKey
 */
export const ProveOVHdr = messageType(61, 'TO2.ProveOVHdr', Sign1)
export type ProveOVHdr = BodyOf<typeof ProveOVHdr>

/**
 *     TO2ProveOVHdrPayload = [
 *       bstr .cbor OVHeader, NumOVEntries, HMac, NonceTO2ProveOV, eBSigInfo, xAKeyExchange,
 *       helloDeviceHash: Hash, maxOwnerMessageSize ]
 */
export const ProveOVHdrPayload = tuple({
  ovHeader: wrapped(OVHeader),
  numOVEntries: uint8,
  hmac: kept(HMac),
  nonceTO2ProveOV: Nonce,
  eBSigInfo: SigInfo,
  xAKeyExchange: bytes(),
  helloDeviceHash: Hash,
  maxOwnerMessageSize: uint16,
})
export type ProveOVHdrPayload = Infer<typeof ProveOVHdrPayload>

/**
 * TO2.GetOVNextEntry, Type 62, Device → Owner.
 *
 *     TO2.GetOVNextEntry = [OVEntryNum]
 */
export const GetOVNextEntry = messageType(62, 'TO2.GetOVNextEntry', tuple({ ovEntryNum: uint8 }))
export type GetOVNextEntry = BodyOf<typeof GetOVNextEntry>

/**
 * TO2.OVNextEntry, Type 63, Owner → Device.
 *
 *     TO2.OVNextEntry = [OVEntryNum, OVEntry]
 */
export const OVNextEntry = messageType(
  63,
  'TO2.OVNextEntry',
  tuple({ ovEntryNum: uint8, ovEntry: OVEntry }),
)
export type OVNextEntry = BodyOf<typeof OVNextEntry>

/**
 * TO2.ProveDevice, Type 64, Device → Owner.
 *
 *     TO2.ProveDevice = EAToken  ;; unprotected EUPHNonce: NonceTO2SetupDv
 *     TO2ProveDevicePayload = [xBKeyExchange]  ;; its FDO claim
 */
export const ProveDevice = messageType(64, 'TO2.ProveDevice', Sign1)
export type ProveDevice = BodyOf<typeof ProveDevice>

/** A message whose body travels sealed; `inside` is what the tunnel carries. */
export interface SealedMessageType<Inside> extends MessageType<Bytes> {
  readonly inside: Schema<Inside>
}
export type InsideOf<M> = M extends SealedMessageType<infer Inside> ? Inside : never

/** One CBOR item, of which only the bytes matter here: the tunnel opens it. */
const sealedItem: Schema<Bytes> = {
  parse: (item) => bytesOf(item),
  build: (value) => new Encoded(value),
}

function sealedType<Inside>(number: number, name: string, inside: Schema<Inside>) {
  return { number, name, body: sealedItem, inside }
}

/**
 * TO2.SetupDevice, Type 65, Owner → Device, sealed.
 *
 *     TO2.SetupDevice = CoseSignature  ;; payload TO2SetupDevicePayload, by the key it names
 */
export const SetupDevice: SealedMessageType<Kept<Sign1>> = sealedType(65, 'TO2.SetupDevice', Sign1)

/**
 *     TO2SetupDevicePayload = [RendezvousInfo, Guid, NonceTO2SetupDv, Owner2Key: PublicKey]
 */
export const SetupDevicePayload = tuple({
  rvInfo: kept(RendezvousInfo),
  guid: Guid,
  nonceTO2SetupDv: Nonce,
  owner2Key: kept(PublicKey),
})
export type SetupDevicePayload = Infer<typeof SetupDevicePayload>

/**
 * TO2.DeviceServiceInfoReady, Type 66, Device → Owner, sealed.
 *
 *     TO2.DeviceServiceInfoReady = [ReplacementHMac: HMac / null, maxOwnerServiceInfoSz / null]
 */
export const DeviceServiceInfoReady = sealedType(
  66,
  'TO2.DeviceServiceInfoReady',
  tuple({ replacementHMac: nullable(HMac), maxOwnerServiceInfoSz: nullable(uint16) }),
)
export type DeviceServiceInfoReady = InsideOf<typeof DeviceServiceInfoReady>

/**
 * TO2.OwnerServiceInfoReady, Type 67, Owner → Device, sealed.
 *
 *     TO2.OwnerServiceInfoReady = [maxDeviceServiceInfoSz / null]
 */
export const OwnerServiceInfoReady = sealedType(
  67,
  'TO2.OwnerServiceInfoReady',
  tuple({ maxDeviceServiceInfoSz: nullable(uint16) }),
)
export type OwnerServiceInfoReady = InsideOf<typeof OwnerServiceInfoReady>

/**
 * TO2.DeviceServiceInfo, Type 68, Device → Owner, sealed.
 *
 *     TO2.DeviceServiceInfo = [IsMoreServiceInfo: bool, ServiceInfo]
 */
export const DeviceServiceInfo = sealedType(68, 'TO2.DeviceServiceInfo', DeviceServiceInfoBody)
export type DeviceServiceInfo = InsideOf<typeof DeviceServiceInfo>

/**
 * TO2.OwnerServiceInfo, Type 69, Owner → Device, sealed.
 *
 *     TO2.OwnerServiceInfo = [IsMoreServiceInfo: bool, IsDone: bool, ServiceInfo]
 */
export const OwnerServiceInfo = sealedType(69, 'TO2.OwnerServiceInfo', OwnerServiceInfoBody)
export type OwnerServiceInfo = InsideOf<typeof OwnerServiceInfo>

/**
 * TO2.Done, Type 70, Device → Owner, sealed.
 *
 *     TO2.Done = [NonceTO2ProveDv]
 */
export const Done = sealedType(70, 'TO2.Done', tuple({ nonceTO2ProveDv: Nonce }))
export type Done = InsideOf<typeof Done>

/**
 * TO2.Done2, Type 71, Owner → Device, sealed.
 *
 *     TO2.Done2 = [NonceTO2SetupDv]
 */
export const Done2 = sealedType(71, 'TO2.Done2', tuple({ nonceTO2SetupDv: Nonce }))
export type Done2 = InsideOf<typeof Done2>
