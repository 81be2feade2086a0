/** TO0, the Owner's side. */
import type { Bytes } from '../bytes.ts'
import { Encoded, encode } from '../cbor/cbor.ts'
import { encodeAs } from '../cbor/schema.ts'
import { signSign1 } from '../cose/sign1.ts'
import { type HashType, hashOf } from '../crypto/hash.ts'
import { sameKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import { FdoError } from '../errors.ts'
import { messageOf, messageOfBytes } from '../message.ts'
import { type Role, type Step, on } from '../role.ts'
import type { To2Addresses } from '../types/to2-address.ts'
import { type Voucher, ownerKeyOf } from '../voucher/voucher.ts'
import { AcceptOwner, Hello, HelloAck, OwnerSign, To0d, To1dPayload } from './messages.ts'

export type To0OwnerState =
  | {
      readonly expects: 'TO0.HelloAck'
      /** The strength the voucher's entries have, which its Device can compute. */
      readonly hashType: HashType
    }
  | { readonly expects: 'TO0.AcceptOwner' }

export interface To0OwnerContext {
  readonly voucher: Voucher
  /** Of the key that the last entry of the voucher names. */
  readonly signer: Signer
  /** Where the Device will find its Owner. */
  readonly addresses: To2Addresses
  /** For how long the registration is asked to last. */
  readonly waitSeconds: number
}

/** The registration stands for so long; it has to be renewed before that. */
export interface To0OwnerEffect {
  readonly type: 'registered'
  readonly waitSeconds: number
}

type To0OwnerStep = Step<To0OwnerState, To0OwnerEffect>

/** Throws INVALID_OWNERSHIP_VOUCHER where the Rendezvous Server could not but refuse. */
export function beginTo0({ voucher, signer }: To0OwnerContext): To0OwnerStep {
  const [first] = voucher.entries
  if (!first) throw unusable('it has no entry')
  if (!sameKey(ownerKeyOf(voucher).value.key, signer.key)) {
    throw unusable('its last entry names another key')
  }
  const hashType = first.payload.hashPrevEntry.type
  return { next: { expects: 'TO0.HelloAck', hashType }, reply: messageOf(Hello, {}), effects: [] }
}

async function helloAck(
  { hashType }: Extract<To0OwnerState, { expects: 'TO0.HelloAck' }>,
  { nonceTO0Sign }: HelloAck,
  context: To0OwnerContext,
): Promise<To0OwnerStep> {
  const { voucher, waitSeconds, signer, addresses: to1dRV } = context
  const to0d = encodeAs(To0d, { voucher, waitSeconds, nonceTO0Sign })
  const to1dTo0dHash = hashOf(hashType, to0d)
  const to1d = await signSign1(signer, encodeAs(To1dPayload, { to1dRV, to1dTo0dHash }))
  const reply = messageOfBytes(OwnerSign, ownerSign(to0d, to1d))
  return { next: { expects: 'TO0.AcceptOwner' }, reply, effects: [] }
}

function acceptOwner(_state: unknown, { waitSeconds }: AcceptOwner): To0OwnerStep {
  if (waitSeconds === 0) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO0.AcceptOwner: registered for no time at all')
  }
  return { next: null, reply: null, effects: [{ type: 'registered', waitSeconds }] }
}

function ownerSign(to0d: Bytes, to1d: Bytes): Bytes {
  return encode([to0d, new Encoded(to1d)])
}

function unusable(why: string): FdoError {
  return new FdoError('INVALID_OWNERSHIP_VOUCHER', `not a voucher to register with: ${why}`)
}

export const to0Owner: Role<To0OwnerState, To0OwnerContext, To0OwnerEffect> = {
  'TO0.HelloAck': [on(HelloAck, helloAck)],
  'TO0.AcceptOwner': [on(AcceptOwner, acceptOwner)],
}
