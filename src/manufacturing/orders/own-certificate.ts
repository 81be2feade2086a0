/**
 * The certificate a device already has from its maker's own CA, which it keeps. DI has no field for
 * one, and no device sends any: so it is either told of before, or shown over TLS. Either way it is
 * the device's if its key is the one that the device's request proves.
 */
import { hash } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { importSpki } from '../../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import {
  type Certificate,
  parseCertificate,
  sameBytes,
  spkiOfCertificate,
} from '../../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../../protocol/x509/chain.ts'

export interface OwnCertificateQuery {
  /** Of the device, as importSpki writes it. */
  readonly spki: Bytes
  /** The maker's CAs. */
  readonly anchors: readonly Bytes[]
  readonly now: Date
  /** What the device was told of with, leaf first. */
  readonly toldOf: readonly Bytes[] | undefined
  /** What it showed over TLS. */
  readonly shown: Bytes | undefined
}

/** The chain of the voucher, leaf first; undefined for a device that has none of its own. */
export async function ownChain(query: OwnCertificateQuery): Promise<readonly Bytes[] | undefined> {
  const { spki, anchors, now, toldOf, shown } = query
  if (toldOf) {
    const flaw = await findChainFlaw(toldOf, { anchors, now })
    if (flaw) throw refused(`the certificate that the device came with: ${flaw}`)
    return complete(toldOf, anchors)
  }
  if (!shown || !isOf(spki, shown)) return undefined
  // Some other CA may have certified the same key, for the line's own purposes.
  const flaw = await findChainFlaw([shown], { anchors, now })
  return flaw ? undefined : complete([shown], anchors)
}

/** By which a certificate is found again. */
export function spkiHashOf(spki: Bytes): string {
  return hash('sha256', importSpki(spki).spki, 'hex')
}

function isOf(spki: Bytes, certificate: Bytes): boolean {
  return sameBytes(importSpki(spki).spki, importSpki(spkiOfCertificate(certificate)).spki)
}

/** With the issuers that whoever checks the voucher may not have. */
function complete(chain: readonly Bytes[], anchors: readonly Bytes[]): readonly Bytes[] {
  const known = anchors.map(parseCertificate)
  const certificates = chain.map(parseCertificate)
  for (let last = certificates.at(-1); last;) {
    const issuer = issuerOf(last, known)
    if (issuer) certificates.push(issuer)
    last = issuer
  }
  return certificates.map(({ der }) => der)
}

/** Undefined at the end of a chain, which is where a certificate stands for itself. */
function issuerOf({ issuer, subject }: Certificate, known: readonly Certificate[]) {
  if (sameBytes(issuer, subject)) return undefined
  return known.find((one) => sameBytes(one.subject, issuer))
}

/** Chains one after the other: a certificate belongs above the one that names it as its issuer. */
export function chainsOf(blocks: readonly Bytes[]): readonly (readonly Bytes[])[] {
  const chains: Certificate[][] = []
  for (const certificate of blocks.map(parseCertificate)) {
    const chain = chains.at(-1)
    const below = chain?.at(-1)
    if (chain && below && sameBytes(below.issuer, certificate.subject)) chain.push(certificate)
    else chains.push([certificate])
  }
  return chains.map((chain) => chain.map(({ der }) => der))
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI: ${reason}`)
}
