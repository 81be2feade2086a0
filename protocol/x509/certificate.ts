/** Certificates, as far as FDO looks into them. RFC 5280, section 4.1. */
import type { Bytes } from '../bytes.ts'

/** The DER SubjectPublicKeyInfo of a DER certificate; throws MESSAGE_BODY_ERROR. */
export function spkiOfCertificate(_der: Bytes): Bytes {
  throw new Error('not written')
}
