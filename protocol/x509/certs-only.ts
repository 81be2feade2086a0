/** Certificates in a PKCS#7 message without content or signature. RFC 5652; RFC 7030, section 4.1.3. */
import type { Bytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { Tag, contextTag, der, integer, oid, sequence, setOf } from './der.ts'
import { derReader } from './der-reader.ts'

const SIGNED_DATA = '1.2.840.113549.1.7.2'
const DATA = '1.2.840.113549.1.7.1'

/** The certificates in the order given, each DER. */
export function buildCertsOnly(certificates: readonly Bytes[]): Bytes {
  const signedData = sequence(
    integer(1),
    setOf(),
    sequence(oid(DATA)),
    der(contextTag(0), ...certificates),
    setOf(),
  )
  return sequence(oid(SIGNED_DATA), der(contextTag(0), signedData))
}

/** Throws MESSAGE_BODY_ERROR for anything but a certs-only message with a certificate in it. */
export function parseCertsOnly(message: Bytes): readonly Bytes[] {
  const contentInfo = derReader(message)
  if (contentInfo.oid() !== SIGNED_DATA) throw malformed('not signed data')
  const outer = contentInfo.enter(contextTag(0))
  contentInfo.end()
  const signedData = outer.enter(Tag.SEQUENCE)
  outer.end()
  signedData.integer()
  signedData.element(Tag.SET)
  signedData.element(Tag.SEQUENCE)
  if (!signedData.next(contextTag(0))) throw malformed('no certificates')
  const list = signedData.enter(contextTag(0))
  const certificates: Bytes[] = []
  while (!list.atEnd) certificates.push(list.element(Tag.SEQUENCE))
  // Revocation lists may follow; neither they nor signatures are looked at.
  if (signedData.next(contextTag(1))) signedData.element(contextTag(1))
  signedData.element(Tag.SET)
  signedData.end()
  if (certificates.length === 0) throw malformed('no certificates')
  return certificates
}

function malformed(what: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `PKCS#7: ${what}`)
}
