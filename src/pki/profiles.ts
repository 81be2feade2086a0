/** What kinds of certificate are issued here, as data. IEEE 802.1AR-2018; RFC 5280. */
import type { KeyKind } from '../../protocol/cose/algorithms.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export const OID = {
  commonName: '2.5.4.3',
  serialNumber: '2.5.4.5',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  reasonCode: '2.5.29.21',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
} as const

/** The bits of KeyUsage, by position. RFC 5280, section 4.2.1.3. */
export const KEY_USAGE = { digitalSignature: 0, keyCertSign: 5, cRLSign: 6 } as const

/** RFC 5280, section 4.2.1.12. */
export const KEY_PURPOSE = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

export interface Profile {
  readonly name: ProfileName
  /** CA certificates only: how many CAs may stand below this one. */
  readonly pathLength?: number
  readonly keyUsage: readonly (keyof typeof KEY_USAGE)[]
  readonly keyPurpose?: keyof typeof KEY_PURPOSE
  /** Which keys may be certified. */
  readonly keyKinds: readonly KeyKind[]
  /** How far notBefore lies in the past, for clocks that are slow. */
  readonly backdateMs: number
  /** How long it is valid, and the longest it may be; Infinity has no well-defined end. */
  readonly lifetimeMs: number
  /** Whom it names: what DI told of the device, or the id that firstlight knows it by. */
  readonly subject: 'authority' | 'device-data' | 'device-id' | 'server'
  readonly alternativeNames: boolean
}

export type ProfileName =
  'root-ca' | 'device-ca' | 'issuing-ca' | 'idevid' | 'ldevid' | 'tls-server' | 'voucher-key'

const authority = {
  keyUsage: ['keyCertSign', 'cRLSign'],
  keyKinds: ['p256'],
  // Older than the backdated certificate of a device that comes in the first minutes.
  backdateMs: HOUR_MS,
  lifetimeMs: Infinity,
  subject: 'authority',
  alternativeNames: false,
} as const

export const ROOT_CA: Profile = { ...authority, name: 'root-ca', pathLength: 1 }

/** Signs IDevIDs, which have no end: nor has it. */
export const DEVICE_CA: Profile = { ...authority, name: 'device-ca', pathLength: 0 }

/** Signs what comes and goes: LDevIDs and TLS servers. */
export const ISSUING_CA: Profile = {
  ...authority,
  name: 'issuing-ca',
  pathLength: 0,
  lifetimeMs: 3650 * DAY_MS,
}

/** A device's birth certificate, from DI. */
export const IDEVID: Profile = {
  name: 'idevid',
  keyUsage: ['digitalSignature'],
  keyKinds: ['p256', 'p384', 'rsa2048', 'rsa3072'],
  backdateMs: 5 * MINUTE_MS,
  lifetimeMs: Infinity,
  subject: 'device-data',
  alternativeNames: false,
}

/** What a device gets in TO2, and shows at our door. */
export const LDEVID: Profile = {
  name: 'ldevid',
  keyUsage: ['digitalSignature'],
  keyPurpose: 'clientAuth',
  keyKinds: ['p256'],
  backdateMs: 5 * MINUTE_MS,
  lifetimeMs: 30 * DAY_MS,
  subject: 'device-id',
  alternativeNames: true,
}

export const TLS_SERVER: Profile = {
  name: 'tls-server',
  keyUsage: ['digitalSignature'],
  keyPurpose: 'serverAuth',
  keyKinds: ['p256'],
  backdateMs: HOUR_MS,
  lifetimeMs: 90 * DAY_MS,
  subject: 'server',
  alternativeNames: true,
}

/** For a key that signs vouchers, where a device wants it in a chain of certificates. */
export const VOUCHER_KEY: Profile = {
  ...authority,
  name: 'voucher-key',
  keyUsage: ['digitalSignature'],
  keyKinds: ['p256', 'p384', 'rsa2048', 'rsa3072'],
}

/** RFC 5280, section 4.1.2.5: the notAfter of what has no well-defined end. */
export const NO_END = new Date('9999-12-31T23:59:59Z')

/** How a certificate names a device: by the id that stays when TO2 changes its GUID. */
export const deviceUrn = (deviceId: string): string => `urn:fdo:device:${deviceId}`
