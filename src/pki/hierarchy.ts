/** Our authorities, made on first start: a root, and below it one for birth certificates and one
 * for what comes and goes. */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import type { Executor } from '../database/connection.ts'
import { keyIdentifier, name } from './der.ts'
import { type IssueServices, type Issuer, issuing, spkiHashOf } from './issue.ts'
import { DEVICE_CA, ISSUING_CA, NO_END, type Profile, ROOT_CA } from './profiles.ts'
import { findAuthority } from './store.ts'

/** Where the private keys are: one for each purpose, made when it is first asked for. */
export interface AuthorityKeys {
  signer(purpose: string, kind: KeyKind): Promise<Signer>
}

export interface Authority extends Issuer {
  /** DER. */
  readonly certificate: Bytes
}

export interface Hierarchy {
  readonly root: Authority
  /** Signs IDevIDs, in DI. Its key is not the manufacturer's, which signs vouchers. */
  readonly deviceCa: Authority
  /** Signs LDevIDs and TLS servers. */
  readonly issuingCa: Authority
}

/** An authority gets a new certificate for its key while everything it signs still outlives it. */
const RENEW_BEFORE_END_MS = 365 * 24 * 3_600_000

export async function openHierarchy(
  services: IssueServices,
  keys: AuthorityKeys,
): Promise<Hierarchy> {
  const root = await openAuthority(services, keys, ROOT_CA)
  const deviceCa = await openAuthority(services, keys, DEVICE_CA, root)
  const issuingCa = await openAuthority(services, keys, ISSUING_CA, root)
  return { root, deviceCa, issuingCa }
}

/** Whether openHierarchy would make a certificate anew. */
export function isRenewalDue({ issuingCa }: Hierarchy, now: Date): boolean {
  return !outlivesRenewal(issuingCa.notAfter, now)
}

async function openAuthority(
  services: IssueServices,
  keys: AuthorityKeys,
  profile: Profile,
  parent?: Issuer,
): Promise<Authority> {
  const signer = await keys.signer(profile.name, 'p256')
  const { spki } = signer.key
  const keyId = keyIdentifier(spki)
  const subject = nameOf(profile, keyId)
  const self: Issuer = { subject, keyId, notAfter: NO_END, signer }
  const { database, now } = services
  const wanted = { profile: profile.name, spkiHash: spkiHashOf(spki) }
  const findGood = async (db: Executor) => {
    const known = await findAuthority.first(db, wanted)
    if (known && outlivesRenewal(parseCertificate(known.der).notAfter, now())) return known.der
    return undefined
  }
  const issue = async (tx: Executor) => {
    // Another instance may have had its turn before.
    const known = await findGood(tx)
    if (known) return known
    return issuing(services, { profile, issuer: parent ?? self, subject, spki })(tx)
  }
  const turn = `authority ${profile.name}`
  const certificate = (await findGood(database.db)) ?? (await database.commit(issue, { turn }))
  return { ...self, notAfter: parseCertificate(certificate).notAfter, certificate }
}

function outlivesRenewal(notAfter: Date, now: Date): boolean {
  return notAfter.getTime() - now.getTime() >= RENEW_BEFORE_END_MS
}

const TITLE: Partial<Record<Profile['name'], string>> = {
  'root-ca': 'Root CA',
  'device-ca': 'Device CA',
  'issuing-ca': 'Issuing CA',
}

/** Told apart from those of another installation by its key. */
function nameOf(profile: Profile, keyId: Bytes): Bytes {
  const title = TITLE[profile.name] ?? profile.name
  return name(['commonName', `firstlight ${title} ${toHex(keyId.subarray(0, 4))}`])
}
