/**
 * How a certificate comes to be, always in this order: check what is asked for, lint what would be
 * signed, reserve its serial number by recording it, sign, compare, store.
 */
import { hash, verify } from 'node:crypto'
import { type Bytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import {
  type AlternativeName,
  fixedExtensions,
  signedCertificate,
  tbsCertificate,
  tbsOf,
  validity,
} from './der.ts'
import { findLintFlaw } from './lint.ts'
import type { Profile } from './profiles.ts'
import { findObstacle, recordCertificate, storeSigned } from './store.ts'

/** An authority: its name and what it signs with. */
export interface Issuer {
  /** DER Name. */
  readonly subject: Bytes
  readonly keyId: Bytes
  readonly notAfter: Date
  readonly signer: Signer
}

export interface Order {
  readonly profile: Profile
  readonly issuer: Issuer
  /** DER Name. */
  readonly subject: Bytes
  readonly alternativeNames?: readonly AlternativeName[]
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Bytes
  readonly deviceId?: string
  /** The TO2 run that brings the certificate to the device, until whose end it is pending. */
  readonly runId?: string
}

const OBSTACLES = {
  'key-of-another-device': 'the key of another device of this party',
  'device-gone': 'the device has been sold, or taken out of service, while it was onboarded',
} as const

/** What is asked for is not to be had: the asker's fault, not ours. */
export class IssuanceRefused extends Error {
  override readonly name = 'IssuanceRefused'
  readonly reason: 'key-kind' | keyof typeof OBSTACLES

  constructor(reason: IssuanceRefused['reason'], message: string) {
    super(message)
    this.reason = reason
  }
}

export interface IssueServices {
  readonly database: Database
  readonly now: () => Date
  readonly randomBytes: (length: number) => Bytes
}

/** The DER certificate, stored: active, or pending where a TO2 run has yet to end. */
export async function issueCertificate(services: IssueServices, order: Order): Promise<Bytes> {
  return services.database.commit(issuing(services, order))
}

/** The same, in a transaction that may hold more. */
export function issuing(services: IssueServices, order: Order): (tx: Executor) => Promise<Bytes> {
  const { profile, issuer, spki } = order
  const { kind } = importSpki(spki)
  if (!profile.keyKinds.includes(kind)) {
    throw new IssuanceRefused('key-kind', `${profile.name}: no certificate for a key ${kind}`)
  }
  const draft = draftCertificate(services, order)
  const flaw = findLintFlaw(draft.tbs, { profile, issuer, spki, deviceId: order.deviceId })
  if (flaw) throw new Error(`${profile.name} is not fit to be signed: ${flaw}`)

  // One transaction: a certificate leaves this process only after its row is committed.
  return async (tx) => {
    await reserve(tx, order, draft)
    const signature = await issuer.signer.sign(draft.tbs)
    const certificate = signedCertificate(draft.tbs, signature)
    if (!isAsDrafted(certificate, draft.tbs, signature, order)) {
      throw new Error(`${profile.name}: what came back signed is not what was to be signed`)
    }
    const status = order.runId === undefined ? 'active' : 'pending'
    await storeSigned.run(tx, { serial: toHex(draft.serial), der: certificate, status })
    return certificate
  }
}

/**
 * Whether what came back is what was linted. Signatures on authorities and servers are verified,
 * too: they are few, and many rely on them.
 */
export function isAsDrafted(
  certificate: Bytes,
  tbs: Bytes,
  signature: Bytes,
  order: Pick<Order, 'issuer' | 'profile'>,
): boolean {
  const { key, algorithm } = order.issuer.signer
  if (signature.length !== algorithm.signatureBytes) return false
  if (!equalBytes(tbsOf(certificate), tbs)) return false
  const { subject } = order.profile
  if (subject === 'device-data' || subject === 'device-id') return true
  const options = { key: key.keyObject, dsaEncoding: 'ieee-p1363' } as const
  return verify(algorithm.hash, tbs, options, signature)
}

interface Draft {
  readonly serial: Bytes
  readonly notBefore: Date
  readonly notAfter: Date
  readonly tbs: Bytes
  readonly at: Date
}

function draftCertificate({ now, randomBytes }: IssueServices, order: Order): Draft {
  const { profile, issuer } = order
  const at = now()
  const template = templateFor(issuer, profile, at)
  const serial = drawSerial(randomBytes)
  const { fixedExtensions, validity, notBefore, notAfter } = template
  const tbs = tbsCertificate({
    fixedExtensions,
    validity,
    serial,
    issuer: issuer.subject,
    subject: order.subject,
    spki: order.spki,
    alternativeNames: order.alternativeNames ?? [],
  })
  return { serial, notBefore, notAfter, tbs, at }
}

/** 127 random bits that fill 16 bytes: an INTEGER of always the same length. */
function drawSerial(randomBytes: (length: number) => Bytes): Bytes {
  for (;;) {
    const serial = randomBytes(16)
    serial[0] = (serial[0] ?? 0) & 0x7f
    if (serial[0] !== 0) return serial
  }
}

interface Template {
  readonly fixedExtensions: Bytes
  readonly notBefore: Date
  readonly notAfter: Date
  readonly validity: Bytes
}

const templates = new WeakMap<Issuer, Map<Profile, Template>>()

/** What certificates of one authority and profile have in common, if of the same second. */
function templateFor(issuer: Issuer, profile: Profile, at: Date): Template {
  // Certificates know no fractions of a second.
  const start = Math.floor((at.getTime() - profile.backdateMs) / 1000) * 1000
  const ofIssuer = templates.get(issuer) ?? new Map<Profile, Template>()
  templates.set(issuer, ofIssuer)
  const known = ofIssuer.get(profile)
  if (known?.notBefore.getTime() === start) return known

  const end = Math.min(start + profile.lifetimeMs, issuer.notAfter.getTime())
  const [notBefore, notAfter] = [new Date(start), new Date(end)]
  const template = {
    fixedExtensions: known?.fixedExtensions ?? fixedExtensions(profile, issuer.keyId),
    notBefore,
    notAfter,
    validity: validity(notBefore, notAfter),
  }
  ofIssuer.set(profile, template)
  return template
}

/** The row that holds the serial number, and what is about to be signed under it. */
async function reserve(tx: Executor, order: Order, draft: Draft): Promise<void> {
  const { profile, deviceId, spki } = order
  const spkiHash = spkiHashOf(spki)
  if (profile.subject === 'device-id' && deviceId !== undefined) {
    const found = await findObstacle.first(tx, { spkiHash, deviceId })
    if (found) throw new IssuanceRefused(found.obstacle, OBSTACLES[found.obstacle])
  }
  const at = draft.at.toISOString()
  await recordCertificate.run(tx, {
    serial: toHex(draft.serial),
    profile: profile.name,
    device_id: deviceId ?? null,
    run_id: order.runId ?? null,
    status: 'pending',
    spki_hash: spkiHash,
    not_before: draft.notBefore.toISOString(),
    not_after: draft.notAfter.toISOString(),
    der: draft.tbs,
    created_at: at,
    status_at: at,
  })
}

export function spkiHashOf(spki: Bytes): string {
  return hash('sha256', spki, 'hex')
}
