/** FDO PublicKey, in its encodings. FDO 1.1, "Public Key". */
import type { Bytes } from '../bytes.ts'
import type { CborValue } from '../cbor/cbor.ts'
import { type Infer, type Schema, bytes, listOf, oneOf } from '../cbor/schema.ts'
import { type Item, Major, contentOf, scan } from '../cbor/scan.ts'
import { ES256, ES384, type KeyKind, PS256, PS384, RS256, RS384 } from '../cose/algorithms.ts'
import type { SignatureAlgorithm } from '../cose/algorithms.ts'
import { coseKeyOf, parseCoseKey } from '../cose/key.ts'
import { FdoError } from '../errors.ts'
import { spkiOfCertificate } from '../x509/certificate.ts'
import { type VerifyKey, importSpki } from './verify-key.ts'

/** RSA2048RESTR, RSAPKCS, RSAPSS, SECP256R1, SECP384R1. */
export const PkType = oneOf(1, 5, 6, 10, 11)
export type PkType = Infer<typeof PkType>
export const RSA2048RESTR = 1
export const RSAPKCS = 5
export const RSAPSS = 6
export const SECP256R1 = 10
export const SECP384R1 = 11

/** X509 (a SubjectPublicKeyInfo), X5CHAIN (certificates, leaf first), COSEKEY. */
export const PkEnc = oneOf(1, 2, 3)
export type PkEnc = Infer<typeof PkEnc>
export const X509 = 1
export const X5CHAIN = 2
export const COSEKEY = 3

export interface PublicKey {
  readonly type: PkType
  readonly encoding: PkEnc
  readonly key: VerifyKey
  /** X5CHAIN only: the DER certificates, leaf first. */
  readonly chain?: readonly Bytes[]
}

/** Which kinds of key a type admits, and the algorithm a key of that kind then signs with. */
const KINDS_OF: Record<PkType, Partial<Record<KeyKind, SignatureAlgorithm>>> = {
  [RSA2048RESTR]: { rsa2048: RS256 },
  [RSAPKCS]: { rsa2048: RS256, rsa3072: RS384 },
  [RSAPSS]: { rsa2048: PS256, rsa3072: PS384 },
  [SECP256R1]: { p256: ES256 },
  [SECP384R1]: { p384: ES384 },
}

/** The type a key of a kind has unless something else is asked for. */
export const DEFAULT_TYPE: Record<KeyKind, PkType> = {
  p256: SECP256R1,
  p384: SECP384R1,
  rsa2048: RSA2048RESTR,
  rsa3072: RSAPKCS,
}

/** What a key signs with under a type; undefined if the type does not admit it. */
export function algorithmFor(type: PkType, kind: KeyKind): SignatureAlgorithm | undefined {
  return KINDS_OF[type][kind]
}

const certificates = listOf(bytes(), 1, 16)

/**
 * `X5CHAIN`: an array, leaf first. Read too: COSE's bare bstr for a single certificate, and the
 * array inside a bstr that fdo-rs writes.
 */
export const X5Chain: Schema<readonly Bytes[]> = {
  parse(item, path) {
    if (item.major !== Major.BYTES) return certificates.parse(item, path)
    const content = contentOf(item)
    return (content[0] ?? 0) >> 5 === Major.ARRAY
      ? certificates.parse(scan(content), path)
      : [content]
  },
  build: (chain) => [...chain],
}

/** `PublicKey = [pkType, pkEnc, pkBody]`. */
export const PublicKey: Schema<PublicKey> = {
  parse(item, path) {
    const { items, major } = item
    const [typeItem, encodingItem, body] = items
    if (major !== Major.ARRAY || items.length !== 3 || !typeItem || !encodingItem || !body) {
      throw malformed(path, 'an array of 3')
    }
    const type = PkType.parse(typeItem, `${path}.pkType`)
    const encoding = PkEnc.parse(encodingItem, `${path}.pkEnc`)
    const { key, chain } = parseBody(encoding, body, path)
    if (!algorithmFor(type, key.kind)) throw malformed(path, `a key of type ${type}`)
    return chain ? { type, encoding, key, chain } : { type, encoding, key }
  },
  build: (publicKey) => [publicKey.type, publicKey.encoding, buildBody(publicKey)],
}

function parseBody(
  encoding: PkEnc,
  body: Item,
  path: string,
): { key: VerifyKey; chain?: readonly Bytes[] } {
  if (encoding === X509) return { key: importSpki(bytes().parse(body, path)) }
  if (encoding === COSEKEY) return { key: parseCoseKey(body, path) }
  const chain = X5Chain.parse(body, path)
  return { key: importSpki(spkiOfCertificate(chain[0] as Bytes)), chain }
}

function buildBody({ encoding, key, chain }: PublicKey): CborValue {
  if (encoding === X509) return key.spki
  if (encoding === COSEKEY) return coseKeyOf(key)
  if (!chain) throw new Error('an X5CHAIN public key without its certificates')
  return [...chain]
}

/**
 * Same key, whatever its encoding. Node leaves OpenSSL's complaint about keys of different types where
 * the next key to be imported trips over it: so they are not compared.
 */
export function sameKey(a: VerifyKey, b: VerifyKey): boolean {
  return a === b || (a.kind === b.kind && a.keyObject.equals(b.keyObject))
}

function malformed(path: string, wanted: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `${path}: expected ${wanted}`)
}
