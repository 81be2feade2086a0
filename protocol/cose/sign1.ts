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

/**
 * Signs with the key's own algorithm and gives the whole tagged structure. `aad` is signed and not
 * sent: FDO 1.1 has none.
 */
export async function signSign1(
  signer: Signer,
  payload: Bytes,
  unprotected: ReadonlyMap<number, CborValue> = new Map(),
  aad: Bytes = EMPTY,
): Promise<Bytes> {
  const header = protectedHeader(signer.algorithm.id)
  const signature = await signer.sign(toBeSigned(header, payload, aad))
  return encode(new Tagged(18, [header, unprotected, payload, signature]))
}

/**
 * Verifies with the key the caller trusts. The message names one of the algorithms that kind of
 * key may use, in its protected header; anything else does not verify.
 */
export function verifySign1(
  message: Sign1,
  key: VerifyKey,
  aad: Bytes = EMPTY,
): boolean | Promise<boolean> {
  const { protectedHeader: header, payload, signature } = message
  const algorithm = algorithmById(algorithmOf(header) ?? 0)
  if (!algorithm) return false
  return verifySignature(key, algorithm, toBeSigned(header, payload, aad), signature)
}

/** The Sig_structure. RFC 9052, section 4.4. */
export function toBeSigned(header: Bytes, payload: Bytes, aad: Bytes = EMPTY): Bytes {
  return encode(['Signature1', header, aad, payload])
}
