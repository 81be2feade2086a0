/**
 * The key of a back-up, wrapped for those who may restore it: a JWE (RFC 7516) in general
 * serialization, with a recipient for each public key. The private halves are needed, and should be
 * seen, only where something is restored.
 */
import { type KeyObject, createPrivateKey, createPublicKey, hash } from 'node:crypto'
import { GeneralEncrypt, type GeneralJWE, errors, generalDecrypt } from 'jose'
import type { Bytes } from '../../../protocol/bytes.ts'
import { OperationRefused } from '../refused.ts'

export interface Recipient {
  readonly key: KeyObject
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly fingerprint: string
}

const KEY_BYTES = 32
const LEAST_RSA_BITS = 2048
const CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
const WRAPPINGS = ['RSA-OAEP-256', 'ECDH-ES+A256KW']

/** A public key or a certificate, PEM; `name` is what to call it where it is none. */
export function recipientOf(pem: string, name: string): Recipient {
  if (pem.includes('PRIVATE KEY')) {
    throw new OperationRefused('private-key', `${name} is a private key, which belongs elsewhere`, {
      next: `openssl pkey -in ${name} -pubout, where it is kept, gives its public half`,
    })
  }
  const key = publicKeyFrom(pem, name)
  if (wrappingFor(key) === undefined) {
    throw new OperationRefused(
      'key-type',
      `${name}: not RSA of ${LEAST_RSA_BITS} bits or more, P-256, P-384, P-521 or X25519`,
    )
  }
  return { key, fingerprint: fingerprintOf(key) }
}

export async function wrapKey(key: Bytes, recipients: readonly Recipient[]): Promise<GeneralJWE> {
  const wrapping = new GeneralEncrypt(key).setProtectedHeader({ enc: 'A256GCM' })
  for (const { key: publicKey, fingerprint: kid } of recipients) {
    const alg = wrappingFor(publicKey) ?? ''
    wrapping.addRecipient(publicKey).setUnprotectedHeader({ alg, kid })
  }
  return wrapping.encrypt()
}

export function privateKeyFrom(pem: string, name: string, passphrase?: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, ...(passphrase !== undefined && { passphrase }) })
  } catch (cause) {
    throw new OperationRefused(
      'private-key',
      `${name} holds no private key in PEM, or its passphrase is another`,
      {
        cause,
      },
    )
  }
}

export async function unwrapKey(wrapped: GeneralJWE, privateKey: KeyObject): Promise<Bytes> {
  try {
    const allowed = { keyManagementAlgorithms: WRAPPINGS, contentEncryptionAlgorithms: ['A256GCM'] }
    const { plaintext } = await generalDecrypt(wrapped, privateKey, allowed)
    if (plaintext.length === KEY_BYTES) return plaintext
  } catch (error) {
    if (!(error instanceof errors.JOSEError || error instanceof TypeError)) throw error
  }
  const kids = wrapped.recipients?.map(({ header }) => String(header?.['kid'] ?? 'unknown')) ?? []
  const own = fingerprintOf(createPublicKey(privateKey))
  throw new OperationRefused('wrong-key', `the back-up was not made for this key (${own})`, {
    next: `use the private key of one of these: ${kids.join(', ')}`,
  })
}

function publicKeyFrom(pem: string, name: string): KeyObject {
  try {
    return createPublicKey(pem)
  } catch (cause) {
    throw new OperationRefused('public-key', `${name} holds no public key or certificate in PEM`, {
      cause,
    })
  }
}

function wrappingFor(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'rsa')
    return (details?.modulusLength ?? 0) >= LEAST_RSA_BITS ? WRAPPINGS[0] : undefined
  const isEcdh = type === 'x25519' || (type === 'ec' && CURVES.includes(details?.namedCurve ?? ''))
  return isEcdh ? WRAPPINGS[1] : undefined
}

function fingerprintOf(key: KeyObject): string {
  return hash('sha256', key.export({ type: 'spki', format: 'der' }), 'hex')
}
