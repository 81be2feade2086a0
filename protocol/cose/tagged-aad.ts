/**
 * What a signature is for, as external_aad: the Voucher Transfer Protocol, and the branch of go-fdo
 * that speaks it, sign `[tag]` with every COSE_Sign1, so that none passes for one of another kind.
 */
import type { Bytes } from '../bytes.ts'
import { encode } from '../cbor/cbor.ts'

export const OV_ENTRY = aadOf('FDO-OVEntry-v1')
export const KEY_AUTH_CHALLENGE = aadOf('FDO-KeyAuth-Challenge-v1')
export const KEY_AUTH_PROVE = aadOf('FDO-KeyAuth-Prove-v1')

/** The same for signatures of our own: `tag` names the kind of thing that is signed. */
export function aadOf(tag: string): Bytes {
  return encode([tag])
}
