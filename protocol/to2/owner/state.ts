/** What the Owner's side of TO2 remembers between messages, asks its caller, and wants changed. */
import type { Bytes } from '../../bytes.ts'
import type { Kept } from '../../cbor/schema.ts'
import type { HMac } from '../../crypto/hash.ts'
import type { PublicKey } from '../../crypto/public-key.ts'
import type { Signer } from '../../crypto/signer.ts'
import type { Step } from '../../role.ts'
import type { OwnerEffect } from '../../service-info/module.ts'
import type { OwnerSession, OwnerSessionContext } from '../../service-info/owner-session.ts'
import type { Guid, Nonce, RandomBytes } from '../../types/base.ts'
import type { RendezvousInfo } from '../../types/rendezvous-info.ts'
import type { Voucher } from '../../voucher/voucher.ts'
import type { OwnerKeyExchange } from '../key-exchange.ts'
import type { InnerStep, Tunnel } from '../tunnel.ts'

export interface HelloExpected {
  readonly expects: 'TO2.HelloDevice'
}

/** Travels sealed in the token: everything here is small. Entries may be fetched meanwhile. */
export interface ProofExpected {
  readonly expects: 'TO2.ProveDevice'
  readonly guid: Guid
  readonly nonceTO2ProveDv: Nonce
  readonly kex: string
  /** The private half of the key exchange. */
  readonly kexSecret: Bytes
  readonly cipher: number
  readonly sgType: number
  readonly maxDeviceMessageSize: number
}

/** Which run this is: the nonce is drawn for each. */
export interface Run {
  readonly guid: Guid
  /** Whose voucher it is: the service's own name for the device. */
  readonly deviceId: string
  /** The state of the voucher this run began with; another run may finish first. */
  readonly voucherRevision: string
  readonly nonceTO2ProveDv: Nonce
}

interface Proven {
  readonly tunnel: Tunnel
  readonly run: Run
  readonly nonceTO2SetupDv: Nonce
  /** The header of the replacement voucher; null where the credential is reused. */
  readonly replacementHeader: Bytes | null
}

export interface ReadyExpected extends Proven {
  readonly expects: 'TO2.DeviceServiceInfoReady'
  readonly maxDeviceMessageSize: number
}

export interface ServiceInfoExpected extends Proven {
  readonly expects: 'TO2.DeviceServiceInfo'
  /** Null where the credential is reused. */
  readonly replacementHMac: HMac | null
  /** What the Device takes in one of our messages. */
  readonly sendLimit: number
  /** How far the modules have got. */
  readonly session: OwnerSession
}

/** We have said IsDone. The Device may still send what it has left. */
export interface DoneExpected extends Omit<ServiceInfoExpected, 'expects'> {
  readonly expects: 'TO2.Done'
}

export type To2OwnerState =
  HelloExpected | ProofExpected | ReadyExpected | ServiceInfoExpected | DoneExpected

/** A voucher we serve, and the key it says is the owner's. */
export interface ServedVoucher {
  readonly voucher: Voucher
  readonly signer: Signer
  readonly deviceId: string
  readonly revision: string
}

/** What the Device is to be from now on. */
export interface NewCredential {
  readonly guid: Guid
  readonly rvInfo: Kept<RendezvousInfo>
  /** Owner2Key: the key that will own the Device. */
  readonly owner2Key: Kept<PublicKey>
  readonly owner2Signer: Signer
}

export interface To2OwnerLimits {
  /** What one ServiceInfo of the Device may measure, as it is told; null for 1300. */
  readonly maxDeviceServiceInfoSz: number | null
}

export interface To2OwnerContext {
  readonly randomBytes: RandomBytes
  readonly limits: To2OwnerLimits
  readonly keyExchange: OwnerKeyExchange
  /** The cipher suites a Device may choose, by their identifiers. */
  readonly ciphers: readonly number[]
  findVoucher(guid: Guid): Promise<ServedVoucher | undefined>
  /** Asked once the Device has proven itself; 'reuse' leaves it the credential it has. */
  newCredential(served: ServedVoucher): Promise<NewCredential | 'reuse'>
  /** What this Device is to get, and what its modules look up. */
  serviceInfoFor(run: Run): Omit<OwnerSessionContext, 'sendLimit' | 'receiveLimit'>
}

export type To2OwnerEffect =
  | { readonly type: 'onboarding-started'; readonly run: Run }
  | { readonly type: 'service-info'; readonly run: Run; readonly effect: OwnerEffect }
  | {
      readonly type: 'onboarded'
      readonly run: Run
      /** Null where the credential was reused. */
      readonly replacement: { readonly guid: Guid; readonly voucher: Bytes } | null
    }
  /** For the log: sent all the same, since some Devices announce less than they take. */
  | {
      readonly type: 'announced-size-exceeded'
      readonly guid: Guid
      readonly number: number
      readonly bytes: number
      readonly announced: number
    }

export type OwnerStep = Promise<Step<To2OwnerState, To2OwnerEffect>>
export type OwnerInnerStep = Promise<InnerStep<To2OwnerState, To2OwnerEffect>>
