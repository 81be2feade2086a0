/** COSE_Sign1. RFC 9052, section 4.2. */
import { type Bytes, EMPTY } from '../bytes.ts'
import { type CborValue, Tagged, encode } from '../cbor/cbor.ts'
import { type Kept, type Schema, bytes, kept, tagged, tuple } from '../cbor/schema.ts'
import type { Signer } from '../crypto/signer.ts'
import { type VerifyKey, verifySignature } from '../crypto/verify-key.ts'
import { algorithmById } from './algorithms.ts'
import { Headers, algorithmOf, protectedHeader } from './headers.ts'

export interface Sign1 {
  readonly protectedHeader: Bytes
  readonly unprotectedHeader: Headers
  readonly payload: Bytes
  readonly signature: Bytes
}

/** `#6.18([protected, unprotected, payload, signature])`; always tagged, the bytes kept. */
export const Sign1: Schema<Kept<Sign1>> = kept(
  tagged(
    18,
    tuple({
      protectedHeader: bytes(),
      unprotectedHeader: Headers,
      payload: bytes(),
      signature: bytes(),
    }),
  ),
)

/** Signs with the key's own algorithm and gives the whole tagged structure. */
export async function signSign1(
  signer: Signer,
  payload: Bytes,
  unprotected: ReadonlyMap<number, CborValue> = new Map(),
): Promise<Bytes> {
  const header = protectedHeader(signer.algorithm.id)
  const signature = await signer.sign(toBeSigned(header, payload))
  return encode(new Tagged(18, [header, unprotected, payload, signature]))
}

/**
 * Verifies with the key the caller trusts. The message names one of the algorithms that kind of
 * key may use, in its protected header; anything else does not verify.
 */
export function verifySign1(message: Sign1, key: VerifyKey): boolean | Promise<boolean> {
  const { protectedHeader: header, payload, signature } = message
  const algorithm = algorithmById(algorithmOf(header) ?? 0)
  if (!algorithm) return false
  return verifySignature(key, algorithm, toBeSigned(header, payload), signature)
}

/** The Sig_structure. RFC 9052, section 4.4. */
export function toBeSigned(header: Bytes, payload: Bytes): Bytes {
  return encode(['Signature1', header, EMPTY, payload])
}
