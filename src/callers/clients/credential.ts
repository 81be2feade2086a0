/** How a machine client proves that it is the one: what we know of its key, or of its secret. */
import { X509Certificate, hash } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { parseCertificate } from '../../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../../protocol/x509/chain.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { Problem } from '../../http/problem.ts'
import type { MachineClientTable } from '../../database/tables/callers.ts'
import type { PublicJwk } from '../public-keys.ts'

export type Method = MachineClientTable['method']

/** By which name in a certificate its bearer is known; RFC 8705, section 2.1.2. */
export interface CertificateName {
  readonly type: 'subject_dn' | 'san_dns' | 'san_uri'
  readonly value: string
}

export type Credential =
  | { readonly method: 'private_key_jwt'; readonly jwks: readonly PublicJwk[] }
  | { readonly method: 'private_key_jwt'; readonly jwksUri: string }
  /** SHA-256 of the certificates, base64url. */
  | { readonly method: 'self_signed_tls_client_auth'; readonly thumbprints: readonly string[] }
  /** `ca` in base64, DER: whoever issues for the party. */
  | {
      readonly method: 'tls_client_auth'
      readonly ca: readonly string[]
      readonly name: CertificateName
    }
  | { readonly method: 'client_secret_basic'; readonly hash: string }

/** As RFC 8705 has it in `cnf` and in key sets. */
export function thumbprintOf(certificate: Bytes): string {
  return hash('sha256', certificate, 'base64url')
}

/** Whether a certificate shown over TLS, which has proven its key, is this client's. */
export async function isShownBy(
  credential: Credential,
  certificate: Bytes,
  now: Date,
): Promise<boolean> {
  if (credential.method === 'self_signed_tls_client_auth') {
    return credential.thumbprints.includes(thumbprintOf(certificate)) && isInForce(certificate, now)
  }
  if (credential.method !== 'tls_client_auth') return false
  const anchors = credential.ca.map((der) => Buffer.from(der, 'base64'))
  if ((await findChainFlaw([certificate], { anchors, now })) !== undefined) return false
  return namesIn(certificate, credential.name.type).includes(credential.name.value)
}

function isInForce(der: Bytes, now: Date): boolean {
  const { notBefore, notAfter } = parseCertificate(der)
  return notBefore <= now && now <= notAfter
}

/** The certificates of a PEM file, DER; throws a Problem that names `what`. */
export function certificatesIn(pem: string, what: string): readonly Bytes[] {
  const certificates = fromPem(pem)
  if (!certificates) throw new Problem('invalid-request', `${what}: not certificates in PEM`)
  for (const der of certificates) {
    try {
      parseCertificate(der)
    } catch (cause) {
      if (!(cause instanceof FdoError)) throw cause
      throw new Problem('invalid-request', `${what}: ${cause.message}`, { cause })
    }
  }
  return certificates
}

function namesIn(der: Bytes, type: CertificateName['type']): readonly string[] {
  const { subject, subjectAltName = '' } = new X509Certificate(der)
  // RFC 4514 begins with what stands last.
  if (type === 'subject_dn') return [subject.split('\n').toReversed().join(',')]
  const prefix = type === 'san_dns' ? 'DNS:' : 'URI:'
  return alternativeNames(subjectAltName).flatMap((name) =>
    name.startsWith(prefix) ? [name.slice(prefix.length)] : [],
  )
}

/** Node separates them by `, ` and writes one that holds such as a JSON string: those are no match. */
function alternativeNames(text: string): readonly string[] {
  return text.includes('"') ? [] : text.split(', ')
}
