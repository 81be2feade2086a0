/** Public keys of others as JSON Web Keys: which are good enough to be believed. RFC 7517. */
import { type JsonWebKey, type KeyObject, createPublicKey } from 'node:crypto'

/** Signatures that only the holder of a private key can make. */
export const SIGNATURES = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA'],
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
]

/** Of the assertions that clients prove themselves with. */
export const ASSERTION_SIGNATURES = ['ES256', 'ES384', 'RS256', 'PS256'] as const

/** As we keep it: nothing but what a verifier needs. */
export interface PublicJwk {
  readonly kty: string
  readonly crv?: string
  readonly x?: string
  readonly y?: string
  readonly n?: string
  readonly e?: string
  readonly kid?: string
  readonly alg?: string
}

/** What was given or fetched is no key set, or has nothing in it to go by. */
export class KeysRefused extends Error {
  override readonly name = 'KeysRefused'
}

const MOST_KEYS = 50
const MOST_NAME_CHARS = 256
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1'])
const RSA_BITS = { least: 2048, most: 8192 }

/**
 * The keys of a set that verify signatures; those that do something else are left out. Throws
 * KeysRefused where none is left, or where one is private: then it must not be used any more.
 */
export function readKeySet(document: unknown): readonly PublicJwk[] {
  const keys = isObject(document) ? document['keys'] : undefined
  if (!Array.isArray(keys)) throw new KeysRefused('not a JSON Web Key Set: it has no list of keys')
  if (keys.length > MOST_KEYS) throw new KeysRefused(`more than ${MOST_KEYS} keys`)
  const usable = keys.flatMap((key: unknown) => readKey(key) ?? [])
  if (usable.length === 0) {
    throw new KeysRefused('no key that verifies: EC, Ed25519, or RSA of 2048 to 8192 bits')
  }
  return usable
}

function readKey(key: unknown): PublicJwk | undefined {
  if (!isObject(key)) return undefined
  if ('d' in key) throw new KeysRefused('a private key: give its public half, and make a new one')
  if (key['kty'] === 'oct') throw new KeysRefused('a shared secret among the keys')
  if (key['use'] !== undefined && key['use'] !== 'sig') return undefined
  const { kid, alg } = key
  if (!isName(kid) || !isName(alg)) return undefined
  const object = importKey(key)
  if (!object || !isStrong(object)) return undefined
  const { kty = '', crv, x, y, n, e } = object.export({ format: 'jwk' })
  return {
    ...{
      kty,
      ...(crv && { crv }),
      ...(x && { x }),
      ...(y && { y }),
      ...(n && { n }),
      ...(e && { e }),
    },
    ...(kid !== undefined && { kid }),
    ...(alg !== undefined && { alg }),
  }
}

/** Whether it verifies signatures of one of these algorithms. */
export function isFor({ kty, crv = '', alg }: PublicJwk, algorithms: readonly string[]): boolean {
  const fitting = BY_KIND[kty === 'RSA' ? kty : crv] ?? []
  return fitting.some((one) => algorithms.includes(one) && (alg === undefined || alg === one))
}

const BY_KIND: Readonly<Record<string, readonly string[]>> = {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA'],
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
}

function importKey(key: Record<string, unknown>): KeyObject | undefined {
  try {
    return createPublicKey({ key: key as JsonWebKey, format: 'jwk' })
  } catch {
    // A kind of key, or a point, that OpenSSL does not know: none to verify with.
    return undefined
  }
}

function isStrong({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  if (asymmetricKeyType === 'ed25519') return true
  if (asymmetricKeyType === 'ec') return CURVES.has(asymmetricKeyDetails.namedCurve ?? '')
  if (asymmetricKeyType !== 'rsa') return false
  const { modulusLength = 0 } = asymmetricKeyDetails
  return modulusLength >= RSA_BITS.least && modulusLength <= RSA_BITS.most
}

function isName(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && value.length <= MOST_NAME_CHARS)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
