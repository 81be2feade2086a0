/**
 * TO0: an Owner tells the Rendezvous Server where its Device will find it.
 * FDO 1.1, "Transfer Ownership Protocol 0 (TO0)". The CDDL quoted here is the spec's.
 */
import { type Infer, decodeAs, tuple, uint32, wrapped } from '../cbor/schema.ts'
import { Sign1 } from '../cose/sign1.ts'
import { Hash } from '../crypto/hash.ts'
import { type BodyOf, messageType } from '../message.ts'
import { Nonce } from '../types/base.ts'
import { To2Addresses } from '../types/to2-address.ts'
import { OwnershipVoucher } from '../voucher/voucher.ts'

/**
 * TO0.Hello, Type 20, Owner → Rendezvous Server.
 *
 *     TO0.Hello = []
 */
export const Hello = messageType(20, 'TO0.Hello', tuple({}))
export type Hello = BodyOf<typeof Hello>

/**
 * TO0.HelloAck, Type 21, Rendezvous Server → Owner.
 *
 *     TO0.HelloAck = [NonceTO0Sign]
 */
export const HelloAck = messageType(21, 'TO0.HelloAck', tuple({ nonceTO0Sign: Nonce }))
export type HelloAck = BodyOf<typeof HelloAck>

/**
 *     to0d = [OwnershipVoucher, WaitSeconds: uint32, NonceTO0Sign]
 */
export const To0d = tuple({
  voucher: OwnershipVoucher,
  waitSeconds: uint32,
  nonceTO0Sign: Nonce,
})
export type To0d = Infer<typeof To0d>

/**
 *     to1dBlobPayload = [to1dRV: RVTO2Addr, to1dTo0dHash: Hash]
 */
export const To1dPayload = tuple({ to1dRV: To2Addresses, to1dTo0dHash: Hash })
export type To1dPayload = Infer<typeof To1dPayload>

/**
 * TO0.OwnerSign, Type 22, Owner → Rendezvous Server. The hash in to1d covers the content of the
 * bstr around to0d.
 *
 *     TO0.OwnerSign = [bstr .cbor to0d, to1d]
 *     to1d = CoseSignature  ;; payload to1dBlobPayload, signed with the Owner key
 */
export const OwnerSign = messageType(
  22,
  'TO0.OwnerSign',
  tuple({ to0d: wrapped(To0d), to1d: Sign1 }),
)
export type OwnerSign = BodyOf<typeof OwnerSign>

/**
 * TO0.AcceptOwner, Type 23, Rendezvous Server → Owner.
 *
 *     TO0.AcceptOwner = [WaitSeconds: uint32]
 */
export const AcceptOwner = messageType(23, 'TO0.AcceptOwner', tuple({ waitSeconds: uint32 }))
export type AcceptOwner = BodyOf<typeof AcceptOwner>

/** What a to1d says; whether its signature holds is for its reader to verify. */
export function parseTo1d(to1d: Sign1): To1dPayload {
  return decodeAs(To1dPayload, to1d.payload, 'to1d')
}
