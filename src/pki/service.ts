/** The embedded certificate authority: birth certificates, credentials and TLS servers. */
import { X509Certificate, createECDH, createPrivateKey, createPublicKey } from 'node:crypto'
import { type Bytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import {
  type CredentialIssuer,
  CsrRefusal,
  type IssuedCertificate,
  type IssuedKey,
} from '../../protocol/service-info/module.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import { parseCsr } from '../../protocol/x509/csr.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import type { Executor } from '../database/connection.ts'
import { name, serialOf } from './der.ts'
import { type BirthData, birthName } from './device-name.ts'
import { type AuthorityKeys, type Hierarchy, isRenewalDue, openHierarchy } from './hierarchy.ts'
import { IssuanceRefused, type IssueServices, issueCertificate, spkiHashOf } from './issue.ts'
import { IDEVID, LDEVID, TLS_SERVER, VOUCHER_KEY, deviceUrn } from './profiles.ts'
import { RevocationList } from './revocation/list.ts'
import { noteChange } from './revocation/store.ts'
import { serverName } from './server-name.ts'
import {
  activatePending,
  findAuthority,
  findCertificate,
  removeExpired,
  supersedeForgotten,
  supersedeOthers,
  supersedePending,
  supersedeUnsent,
} from './store.ts'

export interface PkiServices extends IssueServices {
  readonly keys: AuthorityKeys
}

/** Whom a credential is for, and the TO2 run in which it is pending. */
export interface Bearer {
  readonly deviceId: string
  readonly runId: string
}

/** A device's credential that is in force. */
export interface ActiveCertificate {
  readonly deviceId: string
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
}

/** A device's credential that our authority has signed, and of which there is no record. */
export interface UnrecordedCertificate {
  readonly deviceId: string
  readonly serial: string
  readonly notBefore: Date
}

/** Long after a certificate has ended, its row is of no use to anybody. */
const KEEP_EXPIRED_MS = 90 * 24 * 3_600_000
/** Longer than any run of TO2 lasts. */
const KEEP_PENDING_MS = 24 * 3_600_000

export class Pki {
  readonly #services: PkiServices
  readonly #revocations: RevocationList
  #hierarchy: Hierarchy
  #serverAnchors: readonly Bytes[] = []

  private constructor(services: PkiServices, hierarchy: Hierarchy) {
    this.#services = services
    this.#revocations = new RevocationList(services)
    this.#hierarchy = hierarchy
  }

  /** Makes the authorities if this is the first start. */
  static async open(services: PkiServices): Promise<Pki> {
    return new Pki(services, await openHierarchy(services, services.keys))
  }

  /** A device's birth certificate, for DI: the chain of its voucher, leaf first. */
  async issueDeviceCertificate(birth: BirthData): Promise<readonly Bytes[]> {
    const { deviceCa } = this.#hierarchy
    const certificate = await issueCertificate(this.#services, {
      profile: IDEVID,
      issuer: deviceCa,
      subject: birthName(birth),
      spki: birth.spki,
    })
    return [certificate, deviceCa.certificate]
  }

  /** A chain, leaf first, for a key that signs vouchers; made once. */
  async certifyVoucherKey(spki: Bytes): Promise<readonly Bytes[]> {
    const { root } = this.#hierarchy
    const profile = VOUCHER_KEY
    const known = await findAuthority.first(this.#services.database.db, {
      profile: profile.name,
      spkiHash: spkiHashOf(spki),
    })
    if (known) return [known.der, root.certificate]
    const subject = name(['commonName', 'firstlight voucher key'])
    const order = { profile, issuer: root, subject, spki }
    return [await issueCertificate(this.#services, order), root.certificate]
  }

  /** What the chain of a voucher is checked against where devices made here are meant. */
  deviceAnchors(): readonly Bytes[] {
    return [this.#hierarchy.deviceCa.certificate]
  }

  /** What TLS servers of ours are checked against. */
  trustBundle(): readonly Bytes[] {
    return [this.#hierarchy.root.certificate, ...this.#serverAnchors]
  }

  /** Where our listener's certificate is another authority's: what that one is checked against. */
  addServerAnchors(anchors: readonly Bytes[]): void {
    const isNew = (one: Bytes) => !this.#serverAnchors.some((known) => equalBytes(known, one))
    this.#serverAnchors = [...anchors.filter(isNew), ...this.#serverAnchors]
  }

  /** Who signs the credentials of devices, and the list of those that are over. */
  issuingAuthority(): readonly Bytes[] {
    return [this.#hierarchy.issuingCa.certificate]
  }

  /** DER; see RevocationList. */
  revocationList(): Promise<Bytes> {
    return this.#revocations.current(this.#hierarchy.issuingCa)
  }

  /** A device's credential: pending until activateCertificates, and worthless before. */
  async issueLdevid({ deviceId, runId }: Bearer, spki: Bytes): Promise<IssuedCertificate> {
    const { issuingCa } = this.#hierarchy
    const certificate = await issueCertificate(this.#services, {
      profile: LDEVID,
      issuer: issuingCa,
      subject: name(['commonName', deviceId]),
      alternativeNames: [{ uri: deviceUrn(deviceId) }],
      spki,
      deviceId,
      runId,
    })
    return { certificate, intermediates: [issuingCa.certificate] }
  }

  /** For a device that cannot make a request. The private key is kept nowhere here. */
  async makeKeyAndCertificate(bearer: Bearer): Promise<IssuedKey> {
    const { spki, pkcs8 } = makeKey(this.#services.randomBytes)
    return { ...(await this.issueLdevid(bearer, spki)), pkcs8 }
  }

  /** What ServiceInfo modules ask of us in one TO2 run. */
  credentialsFor(bearer: Bearer): CredentialIssuer {
    return {
      // Of a request nothing counts but the key it proves: the subject is the proven device.
      sign: (csr) => asRefusal(async () => this.issueLdevid(bearer, (await parseCsr(csr)).spki)),
      generate: () => asRefusal(() => this.makeKeyAndCertificate(bearer)),
      // With what lies between a credential and the root: fdo.csr sends the credential by itself.
      caCertificates: async () => [...this.trustBundle(), this.#hierarchy.issuingCa.certificate],
    }
  }

  /**
   * In the transaction that lets it leave: of several issued in one run, because the process died
   * or two answered at once, only the one that is sent may come into force.
   */
  async credentialSent(tx: Executor, bearer: Bearer, certificate: Bytes): Promise<void> {
    const at = this.#services.now().toISOString()
    await supersedeUnsent.run(tx, { ...bearer, serial: toHex(serialOf(certificate)), at })
  }

  /** At Done, in the transaction that ends the run: what it brought is in force, the rest not. */
  async activateCertificates(tx: Executor, bearer: Bearer): Promise<number> {
    const change = { ...bearer, at: this.#services.now().toISOString() }
    const activated = await activatePending.run(tx, change)
    if (activated > 0 && (await supersedeOthers.run(tx, change)) > 0) await noteChange.run(tx, {})
    return activated
  }

  /**
   * In the transaction that breaks the run off: what it brought was in force nowhere here. The list
   * tells of it all the same, to those who look at nothing else.
   */
  async runBrokenOff(tx: Executor, bearer: Bearer): Promise<void> {
    const at = this.#services.now().toISOString()
    if ((await supersedePending.run(tx, { ...bearer, at })) > 0) await noteChange.run(tx, {})
  }

  /** Whose credential this certificate is, if it is one of ours and in force now. */
  async findActiveCertificate(certificate: Bytes): Promise<ActiveCertificate | undefined> {
    const serial = readSerial(certificate)
    if (serial === undefined) return undefined
    const row = await findCertificate.first(this.#services.database.db, { serial })
    if (row?.profile !== LDEVID.name || row.status !== 'active' || row.device_id === null) {
      return undefined
    }
    // Byte for byte the one that was issued: its signature need not be checked again.
    if (!equalBytes(row.der, certificate)) return undefined
    const notBefore = new Date(row.not_before)
    const notAfter = new Date(row.not_after)
    const now = this.#services.now()
    if (now < notBefore || now > notAfter) return undefined
    return { deviceId: row.device_id, serial, notBefore, notAfter }
  }

  /** Signed since a back-up that was restored; undefined for any certificate but such a one. */
  async findUnrecorded(certificate: Bytes): Promise<UnrecordedCertificate | undefined> {
    const serial = readSerial(certificate)
    if (serial === undefined) return undefined
    if (await findCertificate.first(this.#services.database.db, { serial })) return undefined
    const shown = new X509Certificate(certificate)
    const issuer = new X509Certificate(this.#hierarchy.issuingCa.certificate)
    if (!shown.checkIssued(issuer) || !shown.verify(issuer.publicKey)) return undefined
    const notBefore = new Date(shown.validFrom)
    if (new Date(shown.validTo) <= this.#services.now()) return undefined
    const [, deviceId] = /(?:^|, )URI:urn:fdo:device:(\w+)$/.exec(shown.subjectAltName ?? '') ?? []
    return deviceId === undefined ? undefined : { deviceId, serial, notBefore }
  }

  /** For our own listener, PEM: a fresh key every time, which is never stored. */
  async issueServerCertificate(hosts: readonly string[]) {
    const { issuingCa } = this.#hierarchy
    const { spki, pkcs8 } = makeKey(this.#services.randomBytes)
    const certificate = await issueCertificate(this.#services, {
      profile: TLS_SERVER,
      issuer: issuingCa,
      spki,
      ...serverName(hosts),
    })
    const chain = [certificate, issuingCa.certificate]
    return { key: toPem('PRIVATE KEY', pkcs8), chain }
  }

  /** From time to time: renews authorities that end soon, or takes up those that were. */
  async renewIfDue(): Promise<void> {
    if (!isRenewalDue(this.#hierarchy, this.#services.now())) return
    this.#hierarchy = await openHierarchy(this.#services, this.#services.keys)
  }

  /** From time to time: forgets what ended long ago. */
  async sweep(): Promise<void> {
    const now = this.#services.now()
    const { db } = this.#services.database
    const ago = (ms: number) => new Date(now.getTime() - ms).toISOString()
    await removeExpired.run(db, { before: ago(KEEP_EXPIRED_MS) })
    await supersedeForgotten.run(db, { before: ago(KEEP_PENDING_MS), at: now.toISOString() })
  }
}

/**
 * The device is told that its request was bad, not what was bad about it. With one that is not
 * onboarded here any more the run is over.
 */
async function asRefusal<T>(issue: () => Promise<T>): Promise<T> {
  try {
    return await issue()
  } catch (error) {
    if (error instanceof IssuanceRefused && error.reason === 'device-gone') {
      throw new FdoError('RESOURCE_NOT_FOUND', error.message, { cause: error })
    }
    if (!(error instanceof IssuanceRefused) && !(error instanceof FdoError)) throw error
    throw new CsrRefusal('BAD_REQUEST', error.message, { cause: error })
  }
}

function readSerial(certificate: Bytes): string | undefined {
  try {
    return toHex(serialOf(certificate))
  } catch (error) {
    if (error instanceof FdoError) return undefined
    throw error
  }
}

/** A P-256 key: its public half as SubjectPublicKeyInfo, the private one as PKCS#8, both DER. */
function makeKey(randomBytes: RandomBytes): { spki: Bytes; pkcs8: Bytes } {
  const exchange = createECDH('prime256v1')
  const scalar = Buffer.from(randomBytes(32))
  // Throws for zero and for what exceeds the order of the curve: once in 2³² keys.
  exchange.setPrivateKey(scalar)
  const point = exchange.getPublicKey()
  const [x, y, d] = [point.subarray(1, 33), point.subarray(33), scalar].map((part) =>
    part.toString('base64url'),
  ) as [string, string, string]
  const key = createPrivateKey({ key: { kty: 'EC', crv: 'P-256', x, y, d }, format: 'jwk' })
  scalar.fill(0)
  return {
    spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
    pkcs8: key.export({ type: 'pkcs8', format: 'der' }),
  }
}
