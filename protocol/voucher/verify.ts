/**
 * Is this a genuine voucher, and for whom? Every check has a name, so that the log, and whoever
 * imports one, can tell what is wrong. FDO 1.1, "Verifying the Ownership Voucher".
 */
import { type Bytes, EMPTY, concat, utf8 } from '../bytes.ts'
import type { Kept } from '../cbor/schema.ts'
import { algorithmById } from '../cose/algorithms.ts'
import { algorithmOf } from '../cose/headers.ts'
import { type Sign1, verifySign1 } from '../cose/sign1.ts'
import { OV_ENTRY } from '../cose/tagged-aad.ts'
import { type HMac, type HashType, hashOf, sameHash } from '../crypto/hash.ts'
import { type PublicKey, algorithmFor } from '../crypto/public-key.ts'
import { importSpki } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'
import { PROT_VER } from '../types/base.ts'
import { isEmptyRendezvousInfo } from '../types/rendezvous-info.ts'
import { spkiOfCertificate } from '../x509/certificate.ts'
import { findChainFlaw } from '../x509/chain.ts'
import {
  MAX_ENTRIES,
  MAX_VOUCHER_BYTES,
  type OVEntry,
  type OVHeader,
  type Voucher,
  type VoucherCheck,
  type VoucherFlaw,
} from './voucher.ts'

export interface VerifyOptions {
  /** Certificates one of which must stand above the Device's; without them the chain's last does. */
  readonly anchors?: readonly Bytes[]
  /** To check dates against; without it they are not looked at. */
  readonly now?: Date
  /** How its entries are to be signed, all of them; as FDO 1.1 has it unless told otherwise. */
  readonly entryStyle?: EntryStyleWish
}

/**
 * `fdo-1.1`: with nothing but what is sent. `tagged`: with a tag as external_aad, which released
 * Devices take for a wrong signature. Nothing in a voucher says which it is.
 */
export type EntryStyle = 'fdo-1.1' | 'tagged'

/** `either`: the first entry decides, and all others have to follow it. */
export type EntryStyleWish = EntryStyle | 'either'

const STYLES: readonly EntryStyle[] = ['fdo-1.1', 'tagged']

const AAD: Record<EntryStyle, Bytes> = { 'fdo-1.1': EMPTY, tagged: OV_ENTRY }

export function entryAad(style: EntryStyle): Bytes {
  return AAD[style]
}

/**
 * The style of the first entry, which all others have to follow; `fdo-1.1` where neither fits. For
 * whoever extends a voucher and has not verified it.
 */
export async function entryStyleOf({ header, headerHMac, entries }: Voucher): Promise<EntryStyle> {
  const [first] = entries
  const position = beforeEntries(header, headerHMac)
  return (first && (await styleOf(position, first, 'either'))) ?? 'fdo-1.1'
}

/** The first check a voucher fails; undefined if it is genuine. Who holds it is another matter. */
export async function findVoucherFlaw(
  voucher: Voucher,
  options: VerifyOptions = {},
): Promise<VoucherFlaw | undefined> {
  const verified = await verifyVoucher(voucher, options)
  return 'check' in verified ? verified : undefined
}

/** The first check it fails; how its entries are signed, if it is genuine. */
export async function verifyVoucher(
  voucher: Voucher,
  options: VerifyOptions = {},
): Promise<VoucherFlaw | { readonly entryStyle: EntryStyle }> {
  return (
    findFormFlaw(voucher) ??
    findCertificateHashFlaw(voucher) ??
    (await findCertificateFlaw(voucher, options)) ??
    (await verifyEntries(voucher, options.entryStyle))
  )
}

function findFormFlaw({ bytes, protVer, header, entries }: Voucher): VoucherFlaw | undefined {
  const { protVer: headerVer, rvInfo, deviceInfo } = header.value
  if (bytes.length > MAX_VOUCHER_BYTES) return flaw('too-large', `${bytes.length} bytes`)
  if (entries.length > MAX_ENTRIES) return flaw('too-many-entries', `${entries.length}`)
  if (protVer !== PROT_VER) return flaw('version', `OVProtVer ${protVer}`)
  if (headerVer !== PROT_VER) return flaw('header-version', `OVHProtVer ${headerVer}`)
  if (isEmptyRendezvousInfo(rvInfo.value)) return flaw('rendezvous-info-empty', 'OVRVInfo')
  if (deviceInfo === '') return flaw('device-info-empty', 'OVDeviceInfo')
  return undefined
}

function findCertificateHashFlaw({ header, deviceCertChain }: Voucher): VoucherFlaw | undefined {
  const expected = header.value.deviceCertChainHash
  // Null, with a hash that is null, is for EPID devices; those are no more.
  if (!deviceCertChain) return flaw('certificate-chain-missing', 'OVDevCertChain is null')
  if (!expected) return flaw('certificate-chain-hash', 'OVDevCertChainHash is null')
  const actual = hashOf(expected.type, concat(...deviceCertChain))
  if (!sameHash(actual, expected)) return flaw('certificate-chain-hash', 'another chain')
  return undefined
}

async function findCertificateFlaw(
  { deviceCertChain }: Voucher,
  { anchors, now }: VerifyOptions,
): Promise<VoucherFlaw | undefined> {
  const chain = deviceCertChain ?? []
  const keyFlaw = findDeviceKeyFlaw(chain)
  if (keyFlaw) return keyFlaw
  const validity = now && { now }
  const found = await findChainFlaw(chain, { ...(anchors && { anchors }), ...validity })
  if (found === undefined) return undefined
  // Sound in itself, but of nobody we trust?
  const ownFlaw = anchors ? await findChainFlaw(chain, { ...validity }) : found
  return ownFlaw === undefined
    ? flaw('device-ca-not-trusted', found)
    : flaw('certificate-chain', ownFlaw)
}

function findDeviceKeyFlaw([leaf = EMPTY]: readonly Bytes[]): VoucherFlaw | undefined {
  try {
    importSpki(spkiOfCertificate(leaf))
    return undefined
  } catch (error) {
    if (error instanceof FdoError) return flaw('device-key', error.message)
    throw error
  }
}

async function verifyEntries(
  { header, headerHMac, entries }: Voucher,
  wish: EntryStyleWish = 'fdo-1.1',
): Promise<VoucherFlaw | { readonly entryStyle: EntryStyle }> {
  let position = beforeEntries(header, headerHMac)
  for (const entry of entries) {
    const next = await verifyEntry(position, entry, wish)
    if ('check' in next) return next
    position = next
  }
  return { entryStyle: position.style ?? 'fdo-1.1' }
}

/**
 * A place in the chain of entries: all that is needed to check the next. A Device, which gets
 * them one by one, keeps this between two messages.
 */
export interface EntryPosition {
  /** Of the entry that comes next. */
  readonly index: number
  readonly header: Kept<OVHeader>
  /** Whoever signs the next entry; the owner, once there is none. */
  readonly key: Kept<PublicKey>
  /** What the next entry's OVEHashPrevEntry covers. */
  readonly previous: Bytes
  /** Those of the first entry; all others must follow it. */
  readonly hashType?: HashType
  readonly style?: EntryStyle
}

export function beforeEntries(header: Kept<OVHeader>, headerHMac: Kept<HMac>): EntryPosition {
  const previous = concat(header.bytes, headerHMac.bytes)
  return { index: 0, header, key: header.value.publicKey, previous }
}

/** The place behind the entry that claims to come next, or what is wrong with that entry. */
export async function verifyEntry(
  position: EntryPosition,
  entry: OVEntry,
  wish: EntryStyleWish = 'fdo-1.1',
): Promise<EntryPosition | VoucherFlaw> {
  const style = await styleOf(position, entry, wish)
  if (!style || (position.style ?? style) !== style) return signatureFlaw(position, style)
  return findPayloadFlaw(position, entry) ?? afterEntry(position, entry, style)
}

/** As which of the wanted ones it is signed; undefined if as none. */
async function styleOf(
  { key }: EntryPosition,
  { sign1 }: OVEntry,
  wish: EntryStyleWish,
): Promise<EntryStyle | undefined> {
  for (const style of wish === 'either' ? STYLES : [wish]) {
    if (await isSignedBy(sign1, key.value, AAD[style])) return style
  }
  return undefined
}

/** `style`: one in which the signature is good all the same. */
function signatureFlaw({ index, style: before }: EntryPosition, style?: EntryStyle): VoucherFlaw {
  if (!style) return flaw('entry-signature', `entry ${index}`)
  return flaw('entry-style', `entry ${index} is signed as ${style}, those before it as ${before}`)
}

function findPayloadFlaw(
  { index, header, previous, hashType }: EntryPosition,
  { payload: { hashPrevEntry, hashHdrInfo, publicKey } }: OVEntry,
): VoucherFlaw | undefined {
  const at = `entry ${index}`
  const type = hashType ?? hashPrevEntry.type
  if (hashPrevEntry.type !== type || hashHdrInfo.type !== type) return flaw('entry-hash-type', at)
  const { value: first } = header.value.publicKey
  if (!isSameKeyType(publicKey.value, first)) return flaw('entry-key-type', at)
  if (!sameHash(headerInfoHash(type, header.value), hashHdrInfo)) {
    return flaw('entry-header-hash', at)
  }
  if (!sameHash(hashOf(type, previous), hashPrevEntry)) return flaw('entry-previous-hash', at)
  return undefined
}

function afterEntry(position: EntryPosition, entry: OVEntry, style: EntryStyle): EntryPosition {
  return {
    index: position.index + 1,
    header: position.header,
    key: entry.payload.publicKey,
    previous: entry.bytes,
    hashType: position.hashType ?? entry.payload.hashPrevEntry.type,
    style,
  }
}

/** PKCS#1 v1.5 or PSS is the key type's to say; the hash may be any that kind of key may use. */
function isSignedBy(
  sign1: Sign1,
  { type, key }: PublicKey,
  aad: Bytes,
): boolean | Promise<boolean> {
  const algorithm = algorithmById(algorithmOf(sign1.protectedHeader) ?? 0)
  if (algorithm?.padding !== algorithmFor(type, key.kind)?.padding) return false
  return verifySign1(sign1, key, aad)
}

/** All keys of a voucher are of one type, so that a small Device can verify every one of them. */
function isSameKeyType(a: PublicKey, b: PublicKey): boolean {
  return a.type === b.type && a.key.kind === b.key.kind
}

/** OVEHashHdrInfo: of GUID ‖ device info. */
export function headerInfoHash(type: HashType, { guid, deviceInfo }: OVHeader) {
  return hashOf(type, concat(guid, utf8(deviceInfo)))
}

function flaw(check: VoucherCheck, detail: string): VoucherFlaw {
  return { check, detail }
}
