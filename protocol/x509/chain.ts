/** Whether a chain of certificates holds together and ends at one that is trusted. RFC 5280, 6.1. */
import type { Bytes } from '../bytes.ts'
import { importIssuerKey, verifyCertificateSignature } from '../crypto/certificate-signature.ts'
import { FdoError } from '../errors.ts'
import { type Certificate, KEY_CERT_SIGN, parseCertificate, sameBytes } from './certificate.ts'

export interface ChainOptions {
  /** DER certificates trusted. Without them, the last of the chain is trusted as it stands. */
  readonly anchors?: readonly Bytes[]
  /** With it, every certificate must be valid at that time. */
  readonly now?: Date
}

/** Critical extensions that are understood, or that bind nothing a device is asked to do here. */
const KNOWN_EXTENSIONS = new Set([
  '2.5.29.14', // subjectKeyIdentifier
  '2.5.29.15', // keyUsage
  '2.5.29.17', // subjectAltName
  '2.5.29.19', // basicConstraints
  '2.5.29.32', // certificatePolicies
  '2.5.29.35', // authorityKeyIdentifier
  '2.5.29.37', // extKeyUsage
])

const MAX_CERTIFICATES = 16

/** Leaf first; the last is the one trusted. */
type Path = readonly Certificate[]

/**
 * Gives what is wrong with a chain, leaf first, or undefined if nothing is. Names must follow on
 * byte for byte. Whoever signs below the trusted certificate must be marked as a CA; the trusted
 * one, which may be older than such marks, must only not be marked as none.
 */
export async function findChainFlaw(
  chain: readonly Bytes[],
  { anchors, now }: ChainOptions = {},
): Promise<string | undefined> {
  if (chain.length === 0) return 'no certificates'
  if (chain.length > MAX_CERTIFICATES) return 'too many certificates'
  try {
    const certificates = chain.map(parseCertificate)
    if (!anchors) return await findPathFlaw(certificates, now)
    let flaw: string | undefined = 'the chain leads to no trusted certificate'
    for (const path of pathsTo(anchors.map(parseAnchor), certificates)) {
      flaw = await findPathFlaw(path, now)
      if (!flaw) break
    }
    return flaw
  } catch (error) {
    if (error instanceof FdoError) return error.message
    throw error
  }
}

const parsedAnchors = new WeakMap<Bytes, Certificate>()

/** Anchors are few and stay the same: each is parsed once. */
function parseAnchor(der: Bytes): Certificate {
  const known = parsedAnchors.get(der)
  if (known) return known
  const anchor = parseCertificate(der)
  parsedAnchors.set(der, anchor)
  return anchor
}

/** A chain may hold its anchor, in the same or another certificate, or stop right below it. */
function pathsTo(anchors: readonly Certificate[], chain: Path): Path[] {
  return anchors.flatMap((anchor) => {
    const at = chain.findIndex(
      ({ subject, spki }) => sameBytes(subject, anchor.subject) && sameBytes(spki, anchor.spki),
    )
    if (at >= 0) return [[...chain.slice(0, at), anchor]]
    const isNext = sameBytes(chain.at(-1)?.issuer ?? anchor.der, anchor.subject)
    return isNext ? [[...chain, anchor]] : []
  })
}

async function findPathFlaw(path: Path, now: Date | undefined): Promise<string | undefined> {
  for (const [i, certificate] of path.entries()) {
    const issuer = path[i + 1]
    const flaw =
      findOwnFlaw(certificate, now) ??
      (issuer && (findIssuerFlaw(path, i + 1) ?? (await findLinkFlaw(certificate, issuer))))
    if (flaw) return `certificate ${i}: ${flaw}`
  }
  return undefined
}

function findOwnFlaw(certificate: Certificate, now: Date | undefined): string | undefined {
  if (now && now < certificate.notBefore) return 'not valid yet'
  if (now && now > certificate.notAfter) return 'expired'
  for (const [id, { critical }] of certificate.extensions) {
    if (critical && !KNOWN_EXTENSIONS.has(id)) return `unknown critical extension ${id}`
  }
  return undefined
}

/** Whether the certificate at `depth` may have signed the one below it. */
function findIssuerFlaw(path: Path, depth: number): string | undefined {
  const issuer = path[depth]
  if (!issuer) return undefined
  const isTrusted = depth === path.length - 1
  if (issuer.isCa === false || (issuer.isCa === undefined && !isTrusted)) {
    return 'the issuer is not a CA'
  }
  if (issuer.keyUsage !== undefined && !(issuer.keyUsage & KEY_CERT_SIGN)) {
    return 'the issuer may not sign certificates'
  }
  // Self-issued certificates, as a CA makes when it changes its key, do not count.
  const between = path.slice(1, depth).filter(({ subject, issuer }) => !sameBytes(subject, issuer))
  if (between.length > (issuer.pathLength ?? Infinity)) return 'more CAs below than allowed'
  return undefined
}

async function findLinkFlaw(
  { issuer: name, signatureAlgorithm, tbs, signature }: Certificate,
  issuer: Certificate,
): Promise<string | undefined> {
  if (!sameBytes(name, issuer.subject)) return 'issued by another name'
  const key = importIssuerKey(issuer.spki)
  const isSigned = await verifyCertificateSignature(key, signatureAlgorithm, tbs, signature)
  return isSigned ? undefined : 'a signature that is not the issuer’s'
}
