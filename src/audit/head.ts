/**
 * Heads of the log, and countersignatures of them. The last entry's hash stands for the whole log;
 * a witness outside the installation signs it, so that what was signed can no longer be rewritten by
 * whoever holds our database and every key of ours.
 *
 *     payload = CBOR(["firstlight-audit-head-1", party, seq, hash, at, witnessed_at])
 *
 * in a COSE_Sign1 (RFC 9052) whose unprotected `kid` is the SHA-256 of the witness's
 * SubjectPublicKeyInfo. `at` is the entry's time, `witnessed_at` the time of the witness.
 */
import { hash } from 'node:crypto'
import { type Bytes, fromHex, toHex } from '../../protocol/bytes.ts'
import {
  type Infer,
  bytes,
  decodeAs,
  encodeAs,
  oneOf,
  text,
  tuple,
  uint,
} from '../../protocol/cbor/schema.ts'
import { KID, headerOf } from '../../protocol/cose/headers.ts'
import { Sign1, signSign1, verifySign1 } from '../../protocol/cose/sign1.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { VerifyKey } from '../../protocol/crypto/verify-key.ts'
import { HASH_BYTES } from './entry.ts'

/** How far a party's log goes. */
export interface Head {
  readonly party: string
  /** Of the last entry. */
  readonly seq: number
  readonly hash: Bytes
  /** When that entry was written. */
  readonly at: string
}

const Statement = tuple({
  format: oneOf('firstlight-audit-head-1'),
  party: text,
  seq: uint(),
  hash: bytes(HASH_BYTES),
  at: text,
  witnessedAt: text,
})

export interface Countersignature {
  readonly statement: Omit<Infer<typeof Statement>, 'format'>
  /** The witness it names: SHA-256 of the SubjectPublicKeyInfo, hexadecimal. Not yet proven. */
  readonly witness: string
  /** The whole COSE_Sign1. */
  readonly signed: Bytes
}

/** How a witness is named. */
export function fingerprintOf(spki: Bytes): string {
  return hash('sha256', spki, 'hex')
}

export function countersign(signer: Signer, head: Head, witnessedAt: string): Promise<Bytes> {
  const { party, seq, at } = head
  const statement = { party, seq, hash: head.hash, at, witnessedAt }
  const payload = encodeAs(Statement, { format: 'firstlight-audit-head-1', ...statement })
  const kid = fromHex(fingerprintOf(signer.key.spki))
  return signSign1(signer, payload, new Map([[KID, kid]]))
}

/** Throws MESSAGE_BODY_ERROR for what is no countersignature. Who made it is not checked here. */
export function parseCountersignature(signed: Bytes): Countersignature {
  const { value } = decodeAs(Sign1, signed, 'countersignature')
  const statement = decodeAs(Statement, value.payload, 'countersigned head')
  const kid = headerOf(value.unprotectedHeader, KID, bytes(HASH_BYTES), 'countersignature')
  return { statement, witness: toHex(kid), signed }
}

/** Whether it was made with the key that the caller trusts. */
export function isSignedBy(
  { signed }: Countersignature,
  key: VerifyKey,
): boolean | Promise<boolean> {
  return verifySign1(decodeAs(Sign1, signed, 'countersignature').value, key)
}
