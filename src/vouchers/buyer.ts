/** The key a device is sold to, as people send it: PEM, a public key or certificates. */
import { DEFAULT_TYPE, type PublicKey, X509, X5CHAIN } from '../../protocol/crypto/public-key.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { fromPem } from '../../protocol/x509/pem.ts'
import { spkiOfCertificate } from '../../protocol/x509/certificate.ts'
import { Problem } from '../http/problem.ts'

/** Throws invalid-request, or MESSAGE_BODY_ERROR for a key of a kind FDO has no use for. */
export function buyerFromPem(pem: string): PublicKey {
  const blocks = fromPem(pem) ?? []
  const [first] = blocks
  if (!first) throw new Problem('invalid-request', 'to: neither a public key nor certificates')
  if (pem.includes('-----BEGIN CERTIFICATE-----')) {
    const key = importSpki(spkiOfCertificate(first))
    return { type: DEFAULT_TYPE[key.kind], encoding: X5CHAIN, key, chain: blocks }
  }
  const key = importSpki(first)
  return { type: DEFAULT_TYPE[key.kind], encoding: X509, key }
}
