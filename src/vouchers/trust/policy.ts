/** Whose vouchers a party takes in: which device CAs, which manufacturers, which kinds of key. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { importSpki } from '../../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import type { Voucher } from '../../../protocol/voucher/voucher.ts'
import { parseCertificate } from '../../../protocol/x509/certificate.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { Setting, type SettingServices } from '../../settings/setting.ts'
import type { Refusal } from '../admission.ts'

export interface TrustPolicy {
  /** DER certificates; `default` for those the installation trusts, `any` for anybody's. */
  readonly deviceCas: readonly Bytes[] | 'default' | 'any'
  /** SHA-256 of the SubjectPublicKeyInfo of each, hex. */
  readonly manufacturerKeys: ReadonlySet<string> | 'any'
  /** FDO allows keys that are short by now. */
  readonly rsa2048: boolean
}

/** As it is written; checked for its form. */
export interface TrustDocument {
  /** PEM, one CA or several in each. */
  readonly device_cas: 'default' | 'any' | readonly string[]
  /** Public keys in PEM, or their SHA-256. */
  readonly manufacturer_keys: 'any' | readonly string[]
  readonly rsa2048: boolean
}

const DEFAULT: TrustDocument = { device_cas: 'default', manufacturer_keys: 'any', rsa2048: true }
const FINGERPRINT = /^[0-9a-f]{64}$/

export function trustPolicySetting(services: SettingServices): Setting<TrustPolicy> {
  return new Setting(services, {
    name: 'trust-policy',
    changed: 'trust-policy-changed',
    // Checked at the border, and written here.
    parse: (json) => parsePolicy(json as TrustDocument),
    fallback: () => DEFAULT,
  })
}

/** Throws an FdoError that says which part is not what it should be. */
function parsePolicy({ device_cas, manufacturer_keys, rsa2048 }: TrustDocument): TrustPolicy {
  return {
    deviceCas: typeof device_cas === 'string' ? device_cas : device_cas.flatMap(authoritiesIn),
    manufacturerKeys:
      typeof manufacturer_keys === 'string'
        ? manufacturer_keys
        : new Set(manufacturer_keys.map(fingerprintIn)),
    rsa2048,
  }
}

function authoritiesIn(pem: string, index: number): readonly Bytes[] {
  const certificates = fromPem(pem) ?? []
  if (certificates.length === 0) throw bad(`device_cas.${index}: no certificates in PEM`)
  for (const der of certificates) parseCertificate(der)
  return certificates
}

function fingerprintIn(key: string, index: number): string {
  if (FINGERPRINT.test(key)) return key
  const [der] = fromPem(key) ?? []
  if (!der) throw bad(`manufacturer_keys.${index}: neither a public key in PEM nor a SHA-256`)
  return hash('sha256', importSpki(der).spki, 'hex')
}

function bad(detail: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', detail)
}

/** What the device's certificate chain is checked against; undefined for nothing. */
export function anchorsOf(
  { deviceCas }: TrustPolicy,
  installation: readonly Bytes[] | undefined,
): readonly Bytes[] | undefined {
  if (deviceCas === 'any') return undefined
  return deviceCas === 'default' ? installation : deviceCas
}

/** What is held against a voucher that is genuine; undefined for nothing. */
export function policyFlaw(
  { header, entries }: Voucher,
  { manufacturerKeys, rsa2048 }: TrustPolicy,
): Refusal | undefined {
  const maker = header.value.publicKey.value.key
  const makersKey = hash('sha256', maker.spki, 'hex')
  if (manufacturerKeys !== 'any' && !manufacturerKeys.has(makersKey)) {
    const detail = `the manufacturer's key ${makersKey} is not one of those the trust policy lists`
    return { check: 'manufacturer-key-not-trusted', detail }
  }
  const keys = [maker, ...entries.map(({ payload }) => payload.publicKey.value.key)]
  if (!rsa2048 && keys.some(({ kind }) => kind === 'rsa2048')) {
    return { check: 'rsa2048-not-allowed', detail: 'it has RSA 2048 keys: see the trust policy' }
  }
  return undefined
}
