/**
 * What a certificate must satisfy before it is signed, read back from its bytes rather than taken
 * from what built them. RFC 5280, section 4; IEEE 802.1AR-2018, section 8.
 */
import { type Bytes, equalBytes, fromUtf8 } from '../../protocol/bytes.ts'
import { type Certificate, parseCertificate } from '../../protocol/x509/certificate.ts'
import { DerReader, derReader, textOf } from '../../protocol/x509/der-reader.ts'
import { Tag, oid, primitiveContextTag, sequence } from '../../protocol/x509/der.ts'
import { keyIdentifier, signedCertificate } from './der.ts'
import { KEY_PURPOSE, KEY_USAGE, OID, type Profile, deviceUrn } from './profiles.ts'

/** What is known of a certificate beside its bytes. */
export interface LintContext {
  readonly profile: Profile
  readonly issuer: { readonly subject: Bytes; readonly keyId: Bytes; readonly notAfter: Date }
  readonly spki: Bytes
  /** Whom an LDevID must name. */
  readonly deviceId?: string | undefined
}

type Rule = (certificate: Certificate, context: LintContext) => string | undefined

/** The first rule that a TBSCertificate breaks; undefined if it may be signed. */
export function findLintFlaw(tbs: Bytes, context: LintContext): string | undefined {
  try {
    const certificate = parseCertificate(signedCertificate(tbs, NO_SIGNATURE))
    for (const rule of RULES) {
      const flaw = rule(certificate, context)
      if (flaw) return flaw
    }
    return undefined
  } catch (error) {
    return `unreadable: ${error instanceof Error ? error.message : 'no DER'}`
  }
}

const NO_SIGNATURE = new Uint8Array(64)
const ECDSA_SHA256 = sequence(oid(OID.ecdsaWithSha256))
/** X.520's upper bound of both attributes in use. */
const MAX_ATTRIBUTE_CHARACTERS = 64

const RULES: readonly Rule[] = [
  function form({ version, serialNumber, signatureAlgorithm }) {
    if (version !== 3) return 'not version 3'
    if (serialNumber.length < 9 || serialNumber.length > 20 || (serialNumber[0] ?? 0) >= 0x80) {
      return 'a serial number of fewer than 64 bits, of more than 20 bytes, or negative'
    }
    if (!equalBytes(signatureAlgorithm, ECDSA_SHA256)) return 'not ECDSA with SHA-256'
    return undefined
  },

  function parties({ issuer, spki }, context) {
    if (!equalBytes(issuer, context.issuer.subject)) return 'another issuer'
    return equalBytes(spki, context.spki) ? undefined : 'another public key'
  },

  function validity({ notBefore, notAfter }, { profile, issuer }) {
    const lifetimeMs = notAfter.getTime() - notBefore.getTime()
    if (lifetimeMs <= 0) return 'an end before its beginning'
    if (lifetimeMs > profile.lifetimeMs) return 'a longer life than its profile gives'
    return notAfter > issuer.notAfter ? 'a longer life than its issuer has' : undefined
  },

  function subject(certificate, { profile, deviceId }) {
    const attributes = attributesOf(derReader(certificate.subject))
    const values = [...attributes.values()]
    if (values.length === 0) return 'no subject'
    if (values.some((text) => text === '' || [...text].length > MAX_ATTRIBUTE_CHARACTERS)) {
      return 'a subject attribute that is empty or too long'
    }
    if (profile.subject === 'device-data' && !attributes.has(OID.serialNumber)) {
      return 'no serialNumber'
    }
    const isDevice = values.length === 1 && attributes.get(OID.commonName) === deviceId
    return profile.subject === 'device-id' && !isDevice ? 'a subject that is another' : undefined
  },

  function extensions(certificate, context) {
    for (const [type, { critical, wanted, holds }] of EXTENSIONS) {
      const extension = certificate.extensions.get(type)
      if (wanted(context.profile) !== (extension !== undefined)) return `${type}: in or missing`
      if (extension && extension.critical !== critical) return `${type}: wrongly critical or not`
      if (extension && !holds(extension.value, certificate, context)) return `${type}: wrong value`
    }
    const known = EXTENSIONS.filter(([type]) => certificate.extensions.has(type)).length
    return known === certificate.extensions.size ? undefined : 'an extension of no profile'
  },
]

function attributesOf(subject: DerReader): Map<string, string> {
  const attributes = new Map<string, string>()
  while (!subject.atEnd) {
    const attribute = subject.enter(Tag.SET).enter(Tag.SEQUENCE)
    attributes.set(attribute.oid(), textOf(attribute.element()))
  }
  return attributes
}

interface ExtensionRule {
  readonly critical: boolean
  wanted(profile: Profile): boolean
  holds(value: Bytes, certificate: Certificate, context: LintContext): boolean
}

const always = () => true

const EXTENSIONS: readonly (readonly [type: string, rule: ExtensionRule])[] = [
  [
    OID.basicConstraints,
    {
      critical: true,
      wanted: ({ pathLength }) => pathLength !== undefined,
      holds: (_, { isCa, pathLength }, { profile }) =>
        isCa === true && pathLength === profile.pathLength,
    },
  ],
  [
    OID.keyUsage,
    {
      critical: true,
      wanted: always,
      holds: (_, { keyUsage }, { profile }) =>
        keyUsage === profile.keyUsage.reduce((all, usage) => all + 2 ** KEY_USAGE[usage], 0),
    },
  ],
  [
    OID.extendedKeyUsage,
    {
      critical: false,
      wanted: ({ keyPurpose }) => keyPurpose !== undefined,
      holds(value, _, { profile }) {
        const purposes = derReader(value)
        const only = purposes.oid()
        return (
          profile.keyPurpose !== undefined &&
          purposes.atEnd &&
          only === KEY_PURPOSE[profile.keyPurpose]
        )
      },
    },
  ],
  [
    OID.authorityKeyIdentifier,
    {
      critical: false,
      wanted: always,
      holds: (value, _, { issuer }) =>
        equalBytes(derReader(value).content(primitiveContextTag(0)), issuer.keyId),
    },
  ],
  [
    OID.subjectKeyIdentifier,
    {
      critical: false,
      wanted: always,
      holds: (value, _, { spki }) =>
        equalBytes(new DerReader(value).content(Tag.OCTET_STRING), keyIdentifier(spki)),
    },
  ],
  [
    OID.subjectAltName,
    {
      critical: false,
      wanted: ({ alternativeNames }) => alternativeNames,
      holds(value, _, { profile, deviceId }) {
        const names = derReader(value)
        if (profile.subject !== 'device-id') return !names.atEnd
        const uri = fromUtf8(names.content(primitiveContextTag(6)))
        return names.atEnd && uri === deviceUrn(deviceId ?? '')
      },
    },
  ],
]
