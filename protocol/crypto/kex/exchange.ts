/** What every key exchange of TO2 does. The Owner is party A, the Device party B. */
import type { Bytes } from '../../bytes.ts'
import { FdoError } from '../../errors.ts'
import type { RandomBytes } from '../../types/base.ts'
import type { Signer } from '../signer.ts'
import type { VerifyKey } from '../verify-key.ts'

/** What both parties come to know, and derive the tunnel's keys from. */
export interface SharedSecret {
  readonly shSe: Bytes
  readonly contextRand: Bytes
}

/** What a kind of exchange brings. */
export interface Exchange {
  /** The Owner's first half. `secret` is its private part: at most 100 bytes, for sealed state. */
  start(randomBytes: RandomBytes): OwnerHalf
  /** The Owner's second half; any xB it cannot use is an INVALID_MESSAGE_ERROR. */
  finish(secret: Bytes, xB: Bytes, ownerSigner: Signer): SharedSecret | Promise<SharedSecret>
  /** The Device's answer to xA; any xA it cannot use is an INVALID_MESSAGE_ERROR. */
  answer(xA: Bytes, ownerKey: VerifyKey, randomBytes: RandomBytes): DeviceHalf
}

export interface OwnerHalf {
  readonly xA: Bytes
  readonly secret: Bytes
}

export interface DeviceHalf {
  readonly xB: Bytes
  readonly shared: SharedSecret
}

export function refused(what: string, cause?: unknown): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `key exchange: ${what}`, { cause })
}
