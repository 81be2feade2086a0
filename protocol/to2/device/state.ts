/** What the Device's side of TO2 remembers between messages, is given, and wants changed. */
import type { Bytes } from '../../bytes.ts'
import type { Kept } from '../../cbor/schema.ts'
import type { Sign1 } from '../../cose/sign1.ts'
import type { DeviceCredential, NewOwner } from '../../credential/device-credential.ts'
import type { HMac } from '../../crypto/hash.ts'
import type { PublicKey } from '../../crypto/public-key.ts'
import type { Signer } from '../../crypto/signer.ts'
import type { Step } from '../../role.ts'
import type { DeviceSession } from '../../service-info/device-session.ts'
import type { Nonce, RandomBytes } from '../../types/base.ts'
import type { OVHeader } from '../../voucher/voucher.ts'
import type { EntryPosition, EntryStyleWish } from '../../voucher/verify.ts'
import type { DeviceKeyExchange } from '../key-exchange.ts'
import type { InnerStep, Tunnel } from '../tunnel.ts'

export interface HeaderExpected {
  readonly expects: 'TO2.ProveOVHdr'
  /** TO2.HelloDevice as sent: the Owner answers with its hash. */
  readonly hello: Bytes
  readonly nonceTO2ProveOV: Nonce
}

/** What the Owner has shown, as far as it is checked. */
export interface ShownVoucher {
  readonly header: Kept<OVHeader>
  readonly headerHMac: HMac
  /** The key that signed TO2.ProveOVHdr: ours to obey if the last entry names it. */
  readonly ownerKey: PublicKey
  readonly nonceTO2ProveDv: Nonce
  readonly xA: Bytes
}

export interface EntryExpected {
  readonly expects: 'TO2.OVNextEntry'
  readonly shown: ShownVoucher
  readonly numOVEntries: number
  /** Of the entry asked for. */
  readonly position: EntryPosition
}

interface Proven {
  readonly tunnel: Tunnel
  readonly shown: ShownVoucher
  readonly nonceTO2SetupDv: Nonce
}

export interface SetupExpected extends Proven {
  readonly expects: 'TO2.SetupDevice'
}

interface SetUp extends Proven {
  /** Null where the credential is reused. */
  readonly newOwner: NewOwner | null
}

export interface ReadyExpected extends SetUp {
  readonly expects: 'TO2.OwnerServiceInfoReady'
}

export interface ServiceInfoExpected extends SetUp {
  readonly expects: 'TO2.OwnerServiceInfo'
}

export interface Done2Expected extends SetUp {
  readonly expects: 'TO2.Done2'
}

export type To2DeviceState =
  | HeaderExpected
  | EntryExpected
  | SetupExpected
  | ReadyExpected
  | ServiceInfoExpected
  | Done2Expected

export interface To2DeviceContext {
  readonly randomBytes: RandomBytes
  readonly credential: DeviceCredential
  /** The attestation key. */
  readonly signer: Signer
  /** What TO1 gave us; absent where the rendezvous was bypassed. */
  readonly to1d?: Kept<Sign1> | undefined
  readonly keyExchange: DeviceKeyExchange
  readonly kex: string
  readonly cipher: number
  /** The longest message we take; 0 for as long as there are. */
  readonly maxDeviceMessageSize: number
  /** The longest ServiceInfo we take; null for 1300. */
  readonly maxOwnerServiceInfoSz: number | null
  /** Whether an Owner may leave us the credential we have. */
  readonly acceptsReuse: boolean
  /** How the voucher's entries may be signed; as FDO 1.1 has it unless told otherwise. */
  readonly entryStyle?: EntryStyleWish
  readonly serviceInfo: Pick<DeviceSession, 'begin' | 'answer'>
}

/** To be committed before anything else is done: from then on the old credential is worthless. */
export type To2DeviceEffect =
  | { readonly type: 'onboarded'; readonly credential: DeviceCredential }
  | { readonly type: 'credential-reused' }

export type DeviceStep = Promise<Step<To2DeviceState, To2DeviceEffect>>
export type DeviceInnerStep = Promise<InnerStep<To2DeviceState, To2DeviceEffect>>
