/** Keys as people name them: PEM, a public key or a certificate, or did:key. */
import { importSpki, type VerifyKey } from '../../../protocol/crypto/verify-key.ts'
import { isDidKey, keyOfDidKey } from '../../../protocol/did/did-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { spkiOfCertificate } from '../../../protocol/x509/certificate.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { Problem } from '../../http/problem.ts'

/** Throws invalid-request for what is neither, or a kind of key FDO has no use for. */
export function keysFromText(texts: readonly string[]): VerifyKey[] {
  return texts.flatMap((text, i) => {
    try {
      return keysOf(text.trim())
    } catch (cause) {
      if (!(cause instanceof FdoError)) throw cause
      throw new Problem('invalid-request', `keys[${i}]: ${cause.message}`, { cause })
    }
  })
}

function keysOf(text: string): VerifyKey[] {
  if (isDidKey(text)) return [keyOfDidKey(text)]
  const [first, ...more] = fromPem(text) ?? []
  if (!first) throw new FdoError('MESSAGE_BODY_ERROR', 'neither PEM nor did:key')
  // Of a chain the first certificate is the one; of bare keys, each.
  if (text.includes('-----BEGIN CERTIFICATE-----')) return [importSpki(spkiOfCertificate(first))]
  return [first, ...more].map(importSpki)
}
