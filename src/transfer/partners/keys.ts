/** Keys as people name them: PEM, a public key or certificates, or did:key. */
import type { Bytes } from '../../../protocol/bytes.ts'
import { importSpki, type VerifyKey } from '../../../protocol/crypto/verify-key.ts'
import { isDidKey, keyOfDidKey } from '../../../protocol/did/did-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { parseCertificate, sameBytes } from '../../../protocol/x509/certificate.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { Problem } from '../../http/problem.ts'

/** A key, and the certificates it came with: its own first. */
export interface NamedKey {
  readonly key: VerifyKey
  readonly chain?: readonly Bytes[]
}

/** As many as an X5CHAIN may have. */
const MOST_CERTIFICATES = 16

/** Throws invalid-request for what is neither, or a kind of key FDO has no use for. */
export function keysFromText(texts: readonly string[]): NamedKey[] {
  return texts.flatMap((text, i) => {
    try {
      return keysOf(text.trim())
    } catch (cause) {
      if (!(cause instanceof FdoError)) throw cause
      throw new Problem('invalid-request', `keys[${i}]: ${cause.message}`, { cause })
    }
  })
}

function keysOf(text: string): NamedKey[] {
  if (isDidKey(text)) return [{ key: keyOfDidKey(text) }]
  const blocks = fromPem(text) ?? []
  if (blocks.length === 0) throw new FdoError('MESSAGE_BODY_ERROR', 'neither PEM nor did:key')
  if (text.includes('-----BEGIN CERTIFICATE-----')) return [keyOfChain(blocks)]
  return blocks.map((spki) => ({ key: importSpki(spki) }))
}

/** It goes into vouchers as it is: what is no chain would be found out by devices only. */
function keyOfChain(chain: readonly Bytes[]): NamedKey {
  const certificates = chain.map((der) => parseCertificate(der))
  const [leaf] = certificates
  if (!leaf || chain.length > MOST_CERTIFICATES) {
    throw new FdoError('MESSAGE_BODY_ERROR', `more than ${MOST_CERTIFICATES} certificates`)
  }
  const isChain = certificates.every(({ issuer }, i) => {
    const above = certificates[i + 1]
    return !above || sameBytes(issuer, above.subject)
  })
  if (!isChain) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'each certificate is to be followed by its issuer’s')
  }
  return { key: importSpki(leaf.spki), chain }
}
