/**
 * What an Owner may ask of a Rendezvous Server about its own registration, beside TO0. Not in FDO:
 * there a registration can only lapse. The server keeps the time of the last withdrawal and of the
 * registration, and takes later ones only, so that nothing recorded on the way works a second time.
 */
import type { Bytes } from '../bytes.ts'
import { Encoded, encode } from '../cbor/cbor.ts'
import { type Infer, bytes, decodeAs, encodeAs, oneOf, text, tuple, uint } from '../cbor/schema.ts'
import { Sign1, signSign1, verifySign1 } from '../cose/sign1.ts'
import type { Signer } from '../crypto/signer.ts'
import { importSpki } from '../crypto/verify-key.ts'
import { Guid } from '../types/base.ts'

export const WITHDRAW = 'firstlight-withdraw-registration'
export const LOOK_UP = 'firstlight-look-up-registration'

/**
 *     OwnRequestPayload = [
 *       purpose: tstr,    ;; one of the two above
 *       audience: tstr,   ;; the origin of the Rendezvous Server's URL; its host is what counts
 *       guid: Guid,
 *       at: uint          ;; milliseconds since 1970
 *     ]
 */
const OwnRequestPayload = tuple({
  purpose: oneOf(WITHDRAW, LOOK_UP),
  audience: text,
  guid: Guid,
  at: uint(),
})
export type OwnRequestPayload = Infer<typeof OwnRequestPayload>

/**
 *     OwnRequest = [
 *       key: bstr,        ;; DER SubjectPublicKeyInfo of the Owner
 *       CoseSignature     ;; payload OwnRequestPayload, signed with that key
 *     ]
 */
const OwnRequest = tuple({ key: bytes(), signed: Sign1 })

export interface ReadOwnRequest extends OwnRequestPayload {
  readonly key: Bytes
  /** Whether the key has signed all this. */
  isSigned(): boolean | Promise<boolean>
}

export async function signOwnRequest(signer: Signer, payload: OwnRequestPayload): Promise<Bytes> {
  const signed = await signSign1(signer, encodeAs(OwnRequestPayload, payload))
  return encode([signer.key.spki, new Encoded(signed)])
}

/** Throws an FdoError for what is no such request. */
export function parseOwnRequest(encoded: Bytes): ReadOwnRequest {
  const { key, signed } = decodeAs(OwnRequest, encoded, 'the request')
  const payload = decodeAs(OwnRequestPayload, signed.value.payload, 'the request')
  const verifyKey = importSpki(key)
  return { ...payload, key, isSigned: () => verifySign1(signed.value, verifyKey) }
}
