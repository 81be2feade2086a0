/**
 * A public key that verifies. Importing one costs as much as a P-256 verification, so the latest
 * keys seen are kept, by their SubjectPublicKeyInfo.
 */
import { KeyObject, constants, createPublicKey, verify } from 'node:crypto'
import { type Bytes, equalBytes, fromHex, mapKey, toBase64 } from '../bytes.ts'
import { ALGORITHMS_OF, type KeyKind, type SignatureAlgorithm } from '../cose/algorithms.ts'
import { FdoError } from '../errors.ts'
import { derReader } from '../x509/der-reader.ts'

export interface VerifyKey {
  readonly kind: KeyKind
  /** DER SubjectPublicKeyInfo: two keys are the same if these bytes are. */
  readonly spki: Bytes
  readonly keyObject: KeyObject
}

const CACHED_KEYS = 2048
/** RSA of 8192 bits takes half of it. */
const MAX_SPKI_BYTES = 2048
const cache = new Map<string, VerifyKey>()

/** Throws MESSAGE_BODY_ERROR for what is no key, or none of a kind FDO uses. */
export function importSpki(spki: Bytes): VerifyKey {
  if (spki.length > MAX_SPKI_BYTES) throw new FdoError('MESSAGE_BODY_ERROR', 'too long a key')
  const name = mapKey(spki)
  const known = cache.get(name)
  if (known) return known
  const key = importPoint(spki) ?? verifyKeyOf(parseSpki(spki))
  cache.set(name, key)
  if (cache.size > CACHED_KEYS) cache.delete(cache.keys().next().value ?? '')
  return key
}

interface PlainPoint {
  readonly kind: KeyKind
  readonly crv: string
  /** The DER of a SubjectPublicKeyInfo up to the coordinates of an uncompressed point. */
  readonly prefix: Bytes
  readonly coordinateBytes: number
}

const PLAIN_POINTS: readonly PlainPoint[] = [
  {
    kind: 'p256',
    crv: 'P-256',
    prefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004'),
    coordinateBytes: 32,
  },
  {
    kind: 'p384',
    crv: 'P-384',
    prefix: fromHex('3076301006072a8648ce3d020106052b8104002203620004'),
    coordinateBytes: 48,
  },
]

/**
 * A key written as everybody writes it, which is the only way in DER. OpenSSL's own decoder, and
 * encoding again what it gives, cost four times as much; the point is checked all the same.
 */
function importPoint(spki: Bytes): VerifyKey | undefined {
  for (const { kind, crv, prefix, coordinateBytes } of PLAIN_POINTS) {
    const middle = prefix.length + coordinateBytes
    if (spki.length !== middle + coordinateBytes) continue
    if (!equalBytes(spki.subarray(0, prefix.length), prefix)) continue
    const x = toBase64(spki.subarray(prefix.length, middle))
    const y = toBase64(spki.subarray(middle))
    try {
      const keyObject = createPublicKey({ key: { kty: 'EC', crv, x, y }, format: 'jwk' })
      return { kind, spki: new Uint8Array(spki), keyObject }
    } catch (cause) {
      throw new FdoError('MESSAGE_BODY_ERROR', `not a point of ${crv}`, { cause })
    }
  }
  return undefined
}

/** The length of a SubjectPublicKeyInfo with an uncompressed point. */
const UNCOMPRESSED_BYTES: Partial<Record<KeyKind, number>> = { p256: 91, p384: 120 }

/** Wraps a key; its SubjectPublicKeyInfo is re-encoded, so that one key has one encoding. */
export function verifyKeyOf(keyObject: KeyObject): VerifyKey {
  const spki = new Uint8Array(keyObject.export({ type: 'spki', format: 'der' }))
  const kind = kindOf(keyObject)
  if (spki.length !== (UNCOMPRESSED_BYTES[kind] ?? spki.length)) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'a key with a compressed point')
  }
  return { kind, spki, keyObject }
}

/** The kind of a public or private key; RSA by its size, exponent 65537 only. */
export function kindOf(key: KeyObject): KeyKind {
  const { namedCurve, modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {}
  if (namedCurve === 'prime256v1') return 'p256'
  if (namedCurve === 'secp384r1') return 'p384'
  if (publicExponent === 65537n && key.asymmetricKeyType === 'rsa') {
    if (modulusLength === 2048) return 'rsa2048'
    if (modulusLength === 3072) return 'rsa3072'
  }
  throw new FdoError('MESSAGE_BODY_ERROR', 'a key that is not P-256, P-384, RSA 2048 or RSA 3072')
}

/** Whether `signature` is the key's over `data`, by an algorithm this kind of key may use. */
export function verifySignature(
  key: VerifyKey,
  algorithm: SignatureAlgorithm,
  data: Bytes,
  signature: Bytes,
): boolean | Promise<boolean> {
  if (!ALGORITHMS_OF[key.kind].includes(algorithm)) return false
  const options = verifyOptions(key.keyObject, algorithm)
  if (key.kind !== 'p384') return verify(algorithm.hash, data, options, signature)
  return new Promise((resolve, reject) => {
    verify(algorithm.hash, data, options, signature, (error, valid) =>
      error ? reject(error) : resolve(valid),
    )
  })
}

/** How node:crypto is told to sign or verify with this algorithm. */
export function verifyOptions(key: KeyObject, algorithm: SignatureAlgorithm) {
  if (algorithm.signatureBytes) return { key, dsaEncoding: 'ieee-p1363' } as const
  if (!algorithm.padding) return { key, padding: constants.RSA_PKCS1_PADDING }
  return { key, padding: algorithm.padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

function parseSpki(spki: Bytes): KeyObject {
  derReader(spki) // which, unlike node:crypto, refuses bytes after the end
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'not a SubjectPublicKeyInfo', { cause })
  }
}
