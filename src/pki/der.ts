/** Certificates as DER: names, extensions, and the two halves put together. RFC 5280. */
import { hash } from 'node:crypto'
import { type Bytes, concat, utf8 } from '../../protocol/bytes.ts'
import { derSignature } from '../../protocol/x509/build-csr.ts'
import { derReader } from '../../protocol/x509/der-reader.ts'
import {
  Tag,
  bitString,
  boolean,
  contextTag,
  der,
  integer,
  namedBits,
  octetString,
  oid,
  primitiveContextTag,
  sequence,
  setOf,
  time,
} from '../../protocol/x509/der.ts'
import { KEY_PURPOSE, KEY_USAGE, OID, type Profile } from './profiles.ts'

export type Attribute = readonly [type: keyof typeof ATTRIBUTE, value: string]

const ATTRIBUTE = {
  commonName: { id: oid(OID.commonName), tag: Tag.UTF8_STRING },
  serialNumber: { id: oid(OID.serialNumber), tag: Tag.PRINTABLE_STRING },
}

/** A Name of one attribute per RDN, the most significant first. */
export function name(...attributes: readonly Attribute[]): Bytes {
  return sequence(
    ...attributes.map(([type, value]) => {
      const { id, tag } = ATTRIBUTE[type]
      return setOf(sequence(id, der(tag, utf8(value))))
    }),
  )
}

export type AlternativeName =
  { readonly uri: string } | { readonly dns: string } | { readonly ip: Bytes }

function alternativeName(value: AlternativeName): Bytes {
  if ('uri' in value) return der(primitiveContextTag(6), utf8(value.uri))
  if ('dns' in value) return der(primitiveContextTag(2), utf8(value.dns))
  return der(primitiveContextTag(7), value.ip)
}

/** The leftmost 160 bits of SHA-256 over the key's bits. RFC 7093, section 2, method 1. */
export function keyIdentifier(spki: Bytes): Bytes {
  const reader = derReader(spki)
  reader.element(Tag.SEQUENCE)
  return hash('sha256', reader.bitString(), 'buffer').subarray(0, 20)
}

const CRITICAL = boolean(true)
const EXTENSION = {
  subjectKeyIdentifier: oid(OID.subjectKeyIdentifier),
  keyUsage: oid(OID.keyUsage),
  subjectAltName: oid(OID.subjectAltName),
  basicConstraints: oid(OID.basicConstraints),
  authorityKeyIdentifier: oid(OID.authorityKeyIdentifier),
  extendedKeyUsage: oid(OID.extendedKeyUsage),
}

/** The extensions that are the same in every certificate of a profile from one issuer. */
export function fixedExtensions(profile: Profile, issuerKeyId: Bytes): Bytes {
  const { pathLength, keyUsage, keyPurpose } = profile
  const bits = keyUsage.reduce((all, usage) => all | (1 << KEY_USAGE[usage]), 0)
  const issuerKey = sequence(der(primitiveContextTag(0), issuerKeyId))
  const fixed = [
    sequence(EXTENSION.keyUsage, CRITICAL, octetString(namedBits(bits))),
    sequence(EXTENSION.authorityKeyIdentifier, octetString(issuerKey)),
  ]
  if (keyPurpose) {
    const purposes = sequence(oid(KEY_PURPOSE[keyPurpose]))
    fixed.push(sequence(EXTENSION.extendedKeyUsage, octetString(purposes)))
  }
  if (pathLength !== undefined) {
    const constraints = sequence(boolean(true), integer(pathLength))
    fixed.unshift(sequence(EXTENSION.basicConstraints, CRITICAL, octetString(constraints)))
  }
  return concat(...fixed)
}

const ECDSA_SHA256 = sequence(oid(OID.ecdsaWithSha256))
const VERSION_3 = der(contextTag(0), integer(2))

export interface TbsFields {
  readonly serial: Bytes
  readonly issuer: Bytes
  /** From `validity`. */
  readonly validity: Bytes
  readonly subject: Bytes
  readonly spki: Bytes
  readonly fixedExtensions: Bytes
  readonly alternativeNames: readonly AlternativeName[]
}

export function validity(notBefore: Date, notAfter: Date): Bytes {
  return sequence(time(notBefore), time(notAfter))
}

/** A TBSCertificate, to be signed with ECDSA and SHA-256. */
export function tbsCertificate(fields: TbsFields): Bytes {
  const names = fields.alternativeNames.map(alternativeName)
  const keyId = octetString(octetString(keyIdentifier(fields.spki)))
  const extensions = [fields.fixedExtensions, sequence(EXTENSION.subjectKeyIdentifier, keyId)]
  if (names.length > 0) {
    extensions.push(sequence(EXTENSION.subjectAltName, octetString(sequence(...names))))
  }
  return sequence(
    VERSION_3,
    integer(fields.serial),
    ECDSA_SHA256,
    fields.issuer,
    fields.validity,
    fields.subject,
    fields.spki,
    der(contextTag(3), sequence(...extensions)),
  )
}

/** The certificate of what was signed; `signature` is r ‖ s. */
export function signedCertificate(tbs: Bytes, signature: Bytes): Bytes {
  return sequence(tbs, ECDSA_SHA256, bitString(derSignature(signature)))
}

/** What is signed in a certificate: its first part, byte for byte. */
export function tbsOf(certificate: Bytes): Bytes {
  return derReader(certificate).element(Tag.SEQUENCE)
}

/** The serial number of a certificate; throws MESSAGE_BODY_ERROR for what is none. */
export function serialOf(certificate: Bytes): Bytes {
  const tbs = derReader(certificate).enter(Tag.SEQUENCE)
  tbs.element(contextTag(0))
  return tbs.integer()
}
