/** Certificates, as far as FDO looks into them. RFC 5280, section 4.1. */
import type { Bytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { Tag, contextTag, primitiveContextTag } from './der.ts'
import { DerReader, derReader } from './der-reader.ts'

export interface Extension {
  readonly critical: boolean
  /** The DER inside the OCTET STRING. */
  readonly value: Bytes
}

/** Every byte string is a view into `der`. */
export interface Certificate {
  readonly der: Bytes
  /** What is signed: the TBSCertificate with its tag. */
  readonly tbs: Bytes
  /** 1 or 3. */
  readonly version: number
  readonly serialNumber: Bytes
  /** DER Names. */
  readonly issuer: Bytes
  readonly subject: Bytes
  readonly notBefore: Date
  readonly notAfter: Date
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Bytes
  /** By dotted object identifier. */
  readonly extensions: ReadonlyMap<string, Extension>
  /** From basicConstraints; undefined without that extension. */
  readonly isCa: boolean | undefined
  readonly pathLength: number | undefined
  /** From keyUsage, its bits numbered as in RFC 5280; undefined without that extension. */
  readonly keyUsage: number | undefined
  /** DER AlgorithmIdentifier, the same inside and outside of what is signed. */
  readonly signatureAlgorithm: Bytes
  readonly signature: Bytes
}

const BASIC_CONSTRAINTS = '2.5.29.19'
export const KEY_USAGE = '2.5.29.15'
export const KEY_CERT_SIGN = 1 << 5

/** Reads a DER certificate, strictly; throws MESSAGE_BODY_ERROR. Nothing is verified. */
export function parseCertificate(der: Bytes): Certificate {
  const outer = derReader(der)
  const tbs = outer.element(Tag.SEQUENCE)
  const signatureAlgorithm = outer.element(Tag.SEQUENCE)
  const signature = outer.bitString()
  outer.end()

  const inner = derReader(tbs)
  const version = versionOf(inner)
  const serialNumber = inner.integer()
  const innerAlgorithm = inner.element(Tag.SEQUENCE)
  if (!sameBytes(innerAlgorithm, signatureAlgorithm)) throw malformed('two signature algorithms')
  const issuer = inner.element(Tag.SEQUENCE)
  const validity = inner.enter(Tag.SEQUENCE)
  const notBefore = validity.time()
  const notAfter = validity.time()
  validity.end()
  const subject = inner.element(Tag.SEQUENCE)
  const spki = inner.element(Tag.SEQUENCE)
  const extensions = version === 1 ? new Map<string, Extension>() : extensionsOf(inner)
  inner.end()
  return {
    der,
    tbs,
    version,
    serialNumber,
    issuer,
    subject,
    notBefore,
    notAfter,
    spki,
    extensions,
    ...constraintsOf(extensions),
    keyUsage: keyUsageOf(extensions),
    signatureAlgorithm,
    signature,
  }
}

/** The DER SubjectPublicKeyInfo of a DER certificate; throws MESSAGE_BODY_ERROR. */
export function spkiOfCertificate(der: Bytes): Bytes {
  const outer = derReader(der)
  const tbs = outer.enter(Tag.SEQUENCE)
  versionOf(tbs)
  tbs.integer()
  for (let skipped = 0; skipped < 4; skipped++) tbs.element(Tag.SEQUENCE)
  return tbs.element(Tag.SEQUENCE)
}

/** `version [0] EXPLICIT Version DEFAULT v1`. Version 2 has not been seen in the world. */
function versionOf(tbs: DerReader): number {
  if (!tbs.next(contextTag(0))) return 1
  const explicit = tbs.enter(contextTag(0))
  const version = explicit.smallInteger() + 1
  explicit.end()
  if (version !== 1 && version !== 3) throw malformed(`version ${version}`)
  return version
}

const ISSUER_UNIQUE_ID = primitiveContextTag(1)
const SUBJECT_UNIQUE_ID = primitiveContextTag(2)

function extensionsOf(tbs: DerReader): Map<string, Extension> {
  if (tbs.next(ISSUER_UNIQUE_ID)) tbs.element()
  if (tbs.next(SUBJECT_UNIQUE_ID)) tbs.element()
  if (!tbs.next(contextTag(3))) return new Map()
  const explicit = tbs.enter(contextTag(3))
  const list = explicit.enter(Tag.SEQUENCE)
  explicit.end()
  return parseExtensions(list)
}

/** `SEQUENCE OF Extension`, of a certificate or of a certification request. */
function parseExtensions(list: DerReader): Map<string, Extension> {
  const extensions = new Map<string, Extension>()
  while (!list.atEnd) {
    const extension = list.enter(Tag.SEQUENCE)
    const id = extension.oid()
    const critical = extension.next(Tag.BOOLEAN) && extension.boolean()
    const value = extension.content(Tag.OCTET_STRING)
    extension.end()
    if (extensions.has(id)) throw malformed(`extension ${id} twice`)
    extensions.set(id, { critical, value })
  }
  return extensions
}

function constraintsOf(
  extensions: ReadonlyMap<string, Extension>,
): Pick<Certificate, 'isCa' | 'pathLength'> {
  const extension = extensions.get(BASIC_CONSTRAINTS)
  if (!extension) return { isCa: undefined, pathLength: undefined }
  const constraints = derReader(extension.value)
  const isCa = constraints.next(Tag.BOOLEAN) && constraints.boolean()
  const pathLength = constraints.atEnd ? undefined : constraints.smallInteger()
  constraints.end()
  return { isCa, pathLength }
}

function keyUsageOf(extensions: ReadonlyMap<string, Extension>): number | undefined {
  const extension = extensions.get(KEY_USAGE)
  if (!extension) return undefined
  const reader = new DerReader(extension.value)
  const bits = reader.namedBits()
  reader.end()
  return bits
}

/** Names and algorithms are public: no need for constant time, and most differ in length. */
export function sameBytes(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

function malformed(what: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `certificate: ${what}`)
}
