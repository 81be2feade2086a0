/** Certificates and requests made to order, right or wrong, by node:crypto and our DER writer. */
import {
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
} from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import {
  NULL,
  bitString,
  boolean,
  contextTag,
  der,
  integer,
  namedBits,
  octetString,
  oid,
  sequence,
  setOf,
  time,
  utf8String,
} from '../../protocol/x509/der.ts'
import { fixture, fixtureText, fromHex } from './wire.ts'

export const EC = { hash: 'sha256', identifier: sequence(oid('1.2.840.10045.4.3.2')) }
export const EC_384 = { hash: 'sha384', identifier: sequence(oid('1.2.840.10045.4.3.3')) }
export const EC_SHA1 = { hash: 'sha1', identifier: sequence(oid('1.2.840.10045.4.1')) }
export const RSA = { hash: 'sha256', identifier: sequence(oid('1.2.840.113549.1.1.11'), NULL) }
export const RSA_384 = { hash: 'sha384', identifier: sequence(oid('1.2.840.113549.1.1.12'), NULL) }
export const RSA_512 = { hash: 'sha512', identifier: sequence(oid('1.2.840.113549.1.1.13'), NULL) }
export const RSA_SHA1 = { hash: 'sha1', identifier: sequence(oid('1.2.840.113549.1.1.5'), NULL) }

export type CertificateAlgorithm = typeof EC

export const NOT_BEFORE = new Date('2026-01-01T00:00:00Z')
export const NOT_AFTER = new Date('2056-01-01T00:00:00Z')
export const CA_USAGE = (1 << 5) | (1 << 6)

export function ecKey(namedCurve = 'P-256'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey
}

export function freshRsaKey(modulusLength = 2048): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength }).privateKey
}

/** The same each time: making one can take seconds. */
export function rsaKey(bits: 2048 | 3072 | 4096 = 2048): KeyObject {
  if (bits === 4096) return createPrivateKey(fixtureText('keys/rsa-4096.pem'))
  const { vectors } = fixture<{ vectors: { alg: string; privateKeyPkcs8: string }[] }>(
    'vectors/cose-sign1.json',
  )
  const pkcs8 = vectors.find(({ alg }) => alg === (bits === 2048 ? 'RS256' : 'RS384'))
  const key = fromHex(pkcs8?.privateKeyPkcs8 ?? '')
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' })
}

export function spkiOf(privateKey: KeyObject): Bytes {
  return new Uint8Array(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
}

export function nameOf(commonName: string): Bytes {
  return sequence(setOf(sequence(oid('2.5.4.3'), utf8String(commonName))))
}

export interface CertificateOrder {
  readonly key: KeyObject
  readonly subject: string
  /** Self-signed without it. */
  readonly issuer?: { readonly key: KeyObject; readonly subject: string }
  readonly algorithm?: CertificateAlgorithm
  readonly innerAlgorithm?: Bytes
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Left out if undefined. */
  readonly isCa?: boolean | undefined
  readonly pathLength?: number
  readonly keyUsage?: number | undefined
  readonly extensions?: readonly Bytes[]
  readonly version?: number
}

/** A critical extension of any kind. */
export function extension(id: string, value: Bytes, critical = true): Bytes {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value))
}

export function certificateOf(order: CertificateOrder): Bytes {
  const { key, subject, issuer = { key, subject }, algorithm = EC, version = 3 } = order
  const tbs = sequence(
    ...(version === 1 ? [] : [der(contextTag(0), integer(version - 1))]),
    integer(Uint8Array.of(0x7f, 1, 2, 3)),
    order.innerAlgorithm ?? algorithm.identifier,
    nameOf(issuer.subject),
    sequence(time(order.notBefore ?? NOT_BEFORE), time(order.notAfter ?? NOT_AFTER)),
    nameOf(subject),
    spkiOf(key),
    ...(version === 1 ? [] : [der(contextTag(3), sequence(...extensionsOf(order)))]),
  )
  return signed(tbs, issuer.key, algorithm)
}

export function signed(content: Bytes, key: KeyObject, algorithm: CertificateAlgorithm): Bytes {
  const signature = sign(algorithm.hash, content, key)
  return sequence(content, algorithm.identifier, bitString(signature))
}

function extensionsOf({ isCa, pathLength, keyUsage, extensions = [] }: CertificateOrder): Bytes[] {
  const list = [...extensions]
  if (isCa !== undefined) {
    const length = pathLength === undefined ? [] : [integer(pathLength)]
    list.push(extension('2.5.29.19', sequence(...(isCa ? [boolean(true)] : []), ...length)))
  }
  if (keyUsage !== undefined) list.push(extension('2.5.29.15', namedBits(keyUsage)))
  return list
}

/** A certification request, `key` asked for and `signer` (usually the same) signing it. */
export function csrOf(
  key: KeyObject,
  {
    signer = key,
    algorithm = EC,
    version = 0,
    attributes = [der(contextTag(0))] as readonly Bytes[],
  } = {},
): Bytes {
  const info = sequence(integer(version), nameOf('a device'), spkiOf(key), ...attributes)
  return signed(info, signer, algorithm)
}
