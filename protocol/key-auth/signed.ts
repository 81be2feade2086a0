/** The two signatures of FDOKeyAuth, each under a tag of its own, and what names a key. */
import type { Bytes } from '../bytes.ts'
import { scan } from '../cbor/scan.ts'
import { type Kept, type Schema, decodeAs, encodeAs } from '../cbor/schema.ts'
import { Sign1, signSign1, verifySign1 } from '../cose/sign1.ts'
import { SHA256, hashOf } from '../crypto/hash.ts'
import { PublicKey, X509, sameKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import { KeyAuthError } from './messages.ts'

/** A COSE_Sign1 in a byte string: the content of the string beside what is in it. */
export type WrappedSign1 = Kept<Kept<Sign1>>

export async function signPayload<T>(
  signer: Signer,
  schema: Schema<T>,
  payload: T,
  aad: Bytes,
): Promise<WrappedSign1> {
  const bytes = await signSign1(signer, encodeAs(schema, payload), undefined, aad)
  return { bytes, value: Sign1.parse(scan(bytes), 'signature') }
}

/** What was signed, once the signature has been found to be that of one of these keys. */
export async function openPayload<T>(
  signature: WrappedSign1,
  keys: readonly VerifyKey[],
  schema: Schema<T>,
  aad: Bytes,
): Promise<T> {
  const sign1 = signature.value.value
  for (const key of keys) {
    if (await verifySign1(sign1, key, aad)) {
      return decodeAs(schema, sign1.payload, 'FDOKeyAuth payload')
    }
  }
  throw new KeyAuthError('signature', 'not by the key that was to sign')
}

/** The same key under the same type, in whichever encoding. */
export function isSamePublicKey(a: PublicKey, b: PublicKey): boolean {
  return a.type === b.type && sameKey(a.key, b.key)
}

/** KeyFingerprint as the Result has it: SHA-256 of the key in the bytes it was sent in. */
export function sentFingerprint({ bytes }: Kept<PublicKey>): Bytes {
  return hashOf(SHA256, bytes).value
}

/** One value for one key, however it was sent: SHA-256 of `[pkType, 1, SubjectPublicKeyInfo]`. */
export function keyFingerprint({ type, key }: PublicKey): Bytes {
  return hashOf(SHA256, encodeAs(PublicKey, { type, encoding: X509, key })).value
}
