/** To whom a device is sold as soon as it is made: FIRSTLIGHT_FIRST_OWNER. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import { DEFAULT_TYPE, type PublicKey, X509, X5CHAIN } from '../../protocol/crypto/public-key.ts'
import { type VerifyKey, importSpki } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type Certificate, parseCertificate, sameBytes } from '../../protocol/x509/certificate.ts'
import { fromPem, toPem } from '../../protocol/x509/pem.ts'
import { OWNER, type SigningKeys } from './keys.ts'

/** The first owner's key of a kind; undefined where it has none, and the device stays ours. */
export type FindFirstOwner = (kind: KeyKind) => Promise<PublicKey | undefined>

/** This same service: with a key of the kind the device asked for, whichever that is. */
export function firstOwnerHere(keys: SigningKeys): FindFirstOwner {
  return async (kind) => publicKeyOf((await keys.signer(OWNER, kind)).key)
}

/** The same, for a service elsewhere that is to extend to it: its keys of these kinds, in PEM. */
export async function firstOwnerKeys(
  keys: SigningKeys,
  kinds: readonly KeyKind[],
): Promise<string> {
  const signers = await Promise.all(kinds.map((kind) => keys.signer(OWNER, kind)))
  return signers.map(({ key }) => toPem('PUBLIC KEY', key.spki)).join('')
}

/** Throws an Error for a file without keys, or with several of one kind. */
export function firstOwnerFromPem(pem: string): FindFirstOwner {
  const keys = new Map<KeyKind, PublicKey>()
  for (const publicKey of readKeys(fromPem(pem) ?? [])) {
    const { kind } = publicKey.key
    if (keys.has(kind)) throw new Error(`more than one key of kind ${kind}`)
    keys.set(kind, publicKey)
  }
  if (keys.size === 0) throw new Error('neither public keys nor certificates in PEM')
  return async (kind) => keys.get(kind)
}

/** A certificate followed by its issuers is one key; so is a bare SubjectPublicKeyInfo. */
function readKeys(blocks: readonly Bytes[]): PublicKey[] {
  const found: PublicKey[] = []
  let chain: Certificate[] = []
  const endChain = () => {
    const [leaf] = chain
    if (leaf) found.push(publicKeyOf(importSpki(leaf.spki), chain))
    chain = []
  }
  for (const block of blocks) {
    const certificate = tryCertificate(block)
    const above = chain.at(-1)
    if (!certificate || !above || !sameBytes(above.issuer, certificate.subject)) endChain()
    if (certificate) chain.push(certificate)
    else found.push(publicKeyOf(importSpki(block)))
  }
  endChain()
  return found
}

function publicKeyOf(key: VerifyKey, chain?: readonly Certificate[]): PublicKey {
  const type = DEFAULT_TYPE[key.kind]
  if (!chain) return { type, encoding: X509, key }
  return { type, encoding: X5CHAIN, key, chain: chain.map(({ der }) => der) }
}

function tryCertificate(der: Bytes): Certificate | undefined {
  try {
    return parseCertificate(der)
  } catch (error) {
    if (error instanceof FdoError) return undefined
    throw error
  }
}
