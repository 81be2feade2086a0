/** Keys and certificates as people keep them: PEM or DER files. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Bytes } from '../../protocol/bytes.ts'
import { DEFAULT_TYPE, type PublicKey, X509, X5CHAIN } from '../../protocol/crypto/public-key.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { importSpki, kindOf } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import { spkiOfCertificate } from '../../protocol/x509/certificate.ts'
import { CliFailure } from './failure.ts'

/** A private key: PKCS#8 (or SEC 1, PKCS#1), PEM or DER. */
export function readPrivateKey(path: string): Signer {
  const content = readFileSync(path)
  return asFile(path, 'a private key (PKCS#8, PEM or DER)', () => {
    const key = isPem(content)
      ? createPrivateKey(content)
      : createPrivateKey({ key: content, format: 'der', type: 'pkcs8' })
    kindOf(key)
    return signerOf(key)
  })
}

/** The next owner's key: a public key, or certificates with the owner's own first. */
export function readPublicKey(path: string): PublicKey {
  const content = readFileSync(path)
  return asFile(path, 'a public key or a certificate (PEM or DER)', () => {
    const certificates = certificatesOf(content)
    const [leaf] = certificates
    if (leaf) {
      const key = importSpki(spkiOfCertificate(leaf))
      return { type: DEFAULT_TYPE[key.kind], encoding: X5CHAIN, key, chain: certificates }
    }
    const key = isPem(content)
      ? importSpki(createPublicKey(content).export({ type: 'spki', format: 'der' }))
      : importSpki(content)
    return { type: DEFAULT_TYPE[key.kind], encoding: X509, key }
  })
}

/** Every certificate of a PEM bundle, or the one of a DER file. */
export function readCertificates(path: string): Bytes[] {
  const content = readFileSync(path)
  const certificates = asFile(path, 'certificates (PEM or DER)', () => certificatesOf(content))
  if (certificates.length === 0) throw notA(path, 'certificates (PEM or DER)')
  return certificates
}

function certificatesOf(content: Bytes): Bytes[] {
  if (isPem(content)) {
    const text = Buffer.from(content).toString('latin1')
    const blocks = text.matchAll(
      /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g,
    )
    return Array.from(blocks, ([, base64 = '']) => Buffer.from(base64, 'base64'))
  }
  try {
    spkiOfCertificate(content)
    return [content]
  } catch (error) {
    if (error instanceof FdoError) return []
    throw error
  }
}

function isPem(content: Bytes): boolean {
  return Buffer.from(content).includes('-----BEGIN ')
}

function asFile<T>(path: string, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw notA(path, what, cause)
  }
}

function notA(path: string, what: string, cause?: unknown): CliFailure {
  return new CliFailure('failed', `${path} is not ${what}`, { code: 'file', cause })
}
