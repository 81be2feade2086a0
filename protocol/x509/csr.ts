/** Certification requests (PKCS#10). RFC 2986, section 4. */
import type { Bytes } from '../bytes.ts'
import { issuerKeyOf, verifyCertificateSignature } from '../crypto/certificate-signature.ts'
import { type VerifyKey, importSpki } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'
import { Tag, contextTag } from './der.ts'
import { derReader } from './der-reader.ts'

/** A request whose sender has shown to hold the private key. */
export interface Csr {
  readonly der: Bytes
  /** DER Name: what the sender would like to be called. */
  readonly subject: Bytes
  /** DER SubjectPublicKeyInfo, as requested. */
  readonly spki: Bytes
  readonly key: VerifyKey
}

/**
 * Throws MESSAGE_BODY_ERROR for what is no request, or one for a kind of key FDO does not use;
 * INVALID_MESSAGE_ERROR where its signature is not the key's.
 */
export async function parseCsr(der: Bytes): Promise<Csr> {
  const outer = derReader(der)
  const info = outer.element(Tag.SEQUENCE)
  const algorithm = outer.element(Tag.SEQUENCE)
  const signature = outer.bitString()
  outer.end()
  const { subject, spki } = parseInfo(info)
  const key = importSpki(spki)
  if (!(await verifyCertificateSignature(issuerKeyOf(key.keyObject), algorithm, info, signature))) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'certification request: not signed by its key')
  }
  return { der, subject, spki, key }
}

function parseInfo(info: Bytes): { subject: Bytes; spki: Bytes } {
  const inner = derReader(info)
  if (inner.smallInteger() !== 0) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'certification request: not version 1')
  }
  const subject = inner.element(Tag.SEQUENCE)
  const spki = inner.element(Tag.SEQUENCE)
  // Attributes are asked for by the sender, and are never granted: they are not looked into.
  if (!inner.atEnd) inner.element(contextTag(0))
  inner.end()
  return { subject, spki }
}
