/**
 * Signatures on certificates and certification requests. Beside FDO's own kinds of key, the
 * authorities above a device may have P-521 or larger RSA keys; those verify here and nowhere else.
 */
import { type KeyObject, createPublicKey, verify } from 'node:crypto'
import { type Bytes, mapKey } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { NULL, oid, sequence } from '../x509/der.ts'

type KeyType = 'ec' | 'rsa'

interface CertificateAlgorithm {
  readonly keyType: KeyType
  /** For node:crypto. */
  readonly hash: 'sha256' | 'sha384' | 'sha512'
}

/** By the AlgorithmIdentifier. SHA-1 and MD5 are absent on purpose. */
const ALGORITHMS = new Map<string, CertificateAlgorithm>([
  row('1.2.840.10045.4.3.2', 'ec', 'sha256'),
  row('1.2.840.10045.4.3.3', 'ec', 'sha384'),
  row('1.2.840.10045.4.3.4', 'ec', 'sha512'),
  row('1.2.840.113549.1.1.11', 'rsa', 'sha256'),
  row('1.2.840.113549.1.1.12', 'rsa', 'sha384'),
  row('1.2.840.113549.1.1.13', 'rsa', 'sha512'),
])

const MAX_IDENTIFIER_BYTES = 64
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
const MIN_RSA_BITS = 2048
const MAX_RSA_BITS = 8192

/** A public key that may have signed a certificate. */
export interface IssuerKey {
  readonly type: KeyType
  readonly keyObject: KeyObject
  /** Fast enough to verify without leaving the event loop. */
  readonly synchronous: boolean
}

const CACHED_KEYS = 1024
/** RSA of 8192 bits takes half of it. */
const MAX_SPKI_BYTES = 2048
const cache = new Map<string, IssuerKey>()

/** Throws MESSAGE_BODY_ERROR for what is no key, or none that may sign certificates. */
export function importIssuerKey(spki: Bytes): IssuerKey {
  if (spki.length > MAX_SPKI_BYTES) throw new FdoError('MESSAGE_BODY_ERROR', 'too long a key')
  const name = mapKey(spki)
  const known = cache.get(name)
  if (known) return known
  const key = issuerKeyOf(parseSpki(spki))
  cache.set(name, key)
  if (cache.size > CACHED_KEYS) cache.delete(cache.keys().next().value ?? '')
  return key
}

export function issuerKeyOf(keyObject: KeyObject): IssuerKey {
  const { namedCurve = '', modulusLength = 0 } = keyObject.asymmetricKeyDetails ?? {}
  if (CURVES.includes(namedCurve)) {
    return { type: 'ec', keyObject, synchronous: namedCurve === 'prime256v1' }
  }
  if (keyObject.asymmetricKeyType !== 'rsa' || !isSaneRsa(keyObject)) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'a kind of key that certificates are not signed with')
  }
  return { type: 'rsa', keyObject, synchronous: modulusLength <= 4096 }
}

/** Whether a certificate's (or request's) signature over `signed` is the key's. */
export function verifyCertificateSignature(
  key: IssuerKey,
  algorithmIdentifier: Bytes,
  signed: Bytes,
  signature: Bytes,
): boolean | Promise<boolean> {
  const algorithm = findAlgorithm(algorithmIdentifier)
  if (algorithm?.keyType !== key.type) return false
  const options = { key: key.keyObject }
  if (key.synchronous) return verify(algorithm.hash, signed, options, signature)
  return new Promise((resolve, reject) => {
    verify(algorithm.hash, signed, options, signature, (error, valid) =>
      error ? reject(error) : resolve(valid),
    )
  })
}

function findAlgorithm(identifier: Bytes): CertificateAlgorithm | undefined {
  return identifier.length > MAX_IDENTIFIER_BYTES ? undefined : ALGORITHMS.get(mapKey(identifier))
}

/** RFC 5758, section 3.2: no parameters. RFC 4055, section 5: NULL. */
function row(
  id: string,
  keyType: KeyType,
  hash: CertificateAlgorithm['hash'],
): [string, CertificateAlgorithm] {
  const identifier = keyType === 'ec' ? sequence(oid(id)) : sequence(oid(id), NULL)
  return [mapKey(identifier), { keyType, hash }]
}

/** Bounds what a verification may cost. */
function isSaneRsa({ asymmetricKeyDetails: details }: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = details ?? {}
  if (modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS) return false
  return publicExponent >= 3n && publicExponent < 1n << 33n
}

function parseSpki(spki: Bytes): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'not a SubjectPublicKeyInfo', { cause })
  }
}
