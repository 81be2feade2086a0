/** Public keys as JWK, and compressed points: how DID documents and did:key write them. RFC 7517. */
import { createPublicKey } from 'node:crypto'
import type { Bytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { bitString, oid, sequence } from '../x509/der.ts'
import { type VerifyKey, verifyKeyOf } from './verify-key.ts'

export type Jwk = Readonly<Record<string, string>>

const EC_MEMBERS = ['kty', 'crv', 'x', 'y']
const RSA_MEMBERS = ['kty', 'n', 'e']
const LONGEST_MEMBER = 1024

export function jwkOf({ keyObject }: VerifyKey): Jwk {
  const members = Object.entries(keyObject.export({ format: 'jwk' }))
  return Object.fromEntries(members.filter((one): one is [string, string] => one[1] !== undefined))
}

/** Throws MESSAGE_BODY_ERROR for what is no public key of a kind FDO uses. */
export function keyOfJwk(jwk: Readonly<Record<string, unknown>>): VerifyKey {
  const members = jwk['kty'] === 'RSA' ? RSA_MEMBERS : EC_MEMBERS
  const key: Record<string, string> = {}
  for (const name of members) {
    const value = jwk[name]
    if (typeof value !== 'string' || value.length > LONGEST_MEMBER) {
      throw new FdoError('MESSAGE_BODY_ERROR', `JWK: ${name} is missing`)
    }
    key[name] = value
  }
  try {
    return verifyKeyOf(createPublicKey({ key, format: 'jwk' }))
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'JWK: not a key FDO uses', { cause })
  }
}

const CURVE_OID = { p256: '1.2.840.10045.3.1.7', p384: '1.3.132.0.34' }
const POINT_BYTES = { p256: 33, p384: 49 }

/** `point` is compressed: SEC 1, section 2.3.3. Throws MESSAGE_BODY_ERROR for none of the curve. */
export function keyOfCompressedPoint(curve: 'p256' | 'p384', point: Bytes): VerifyKey {
  const algorithm = sequence(oid('1.2.840.10045.2.1'), oid(CURVE_OID[curve]))
  if (point.length !== POINT_BYTES[curve]) {
    throw new FdoError('MESSAGE_BODY_ERROR', `a point of ${point.length} bytes`)
  }
  try {
    const spki = sequence(algorithm, bitString(point))
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    return verifyKeyOf(createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' }))
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', `not a point of ${curve}`, { cause })
  }
}
