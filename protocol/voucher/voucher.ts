/**
 * The Ownership Voucher: its parts, every one in the bytes it was received in.
 * FDO 1.1, "Ownership Voucher".
 */
import type { Bytes } from '../bytes.ts'
import { Encoded, encode } from '../cbor/cbor.ts'
import { Major, bytesOf } from '../cbor/scan.ts'
import {
  type Infer,
  type Kept,
  type Schema,
  bytes,
  decodeAs,
  keep,
  kept,
  listOf,
  nullable,
  text,
  tuple,
  uint16,
  wrapped,
} from '../cbor/schema.ts'
import { Sign1 } from '../cose/sign1.ts'
import { HMac, Hash } from '../crypto/hash.ts'
import { PublicKey, X5Chain } from '../crypto/public-key.ts'
import { FdoError } from '../errors.ts'
import { PROT_VER } from '../types/base.ts'
import { RendezvousInfoOrEmpty } from '../types/rendezvous-info.ts'

/** A voucher travels in a single message, and the index of an entry in a single byte. */
export const MAX_VOUCHER_BYTES = 65_535
export const MAX_ENTRIES = 255

/** Which check a voucher failed, by name, and more about it for the log. */
export interface VoucherFlaw {
  readonly check: VoucherCheck
  readonly detail: string
}

export type VoucherCheck =
  | 'malformed'
  | 'too-large'
  | 'version'
  | 'header-version'
  | 'rendezvous-info-empty'
  | 'device-info-empty'
  | 'certificate-chain-missing'
  | 'certificate-chain-hash'
  | 'certificate-chain'
  | 'device-ca-not-trusted'
  | 'device-key'
  | 'no-entries'
  | 'too-many-entries'
  | 'entry-key-type'
  | 'entry-signature'
  | 'entry-style'
  | 'entry-hash-type'
  | 'entry-header-hash'
  | 'entry-previous-hash'
  | 'owner-key'
  | 'next-owner-key-type'

/** A voucher that is refused; `check` says why to those who may know. */
export class VoucherError extends FdoError {
  readonly check: VoucherCheck

  constructor({ check, detail }: VoucherFlaw, options?: ErrorOptions) {
    super('INVALID_OWNERSHIP_VOUCHER', `voucher: ${check}: ${detail}`, options)
    this.check = check
  }
}

/** A GUID of another length has an error code of its own at TO0.OwnerSign. */
const HeaderGuid: Schema<Bytes> = {
  parse(item, path) {
    const guid = bytes().parse(item, path)
    if (guid.length === 16) return guid
    throw new FdoError('INVALID_GUID', `${path}: ${guid.length} bytes of GUID`)
  },
  build: (guid) => guid,
}

/**
 * `OVHeader = [OVHProtVer, OVGuid, OVRVInfo, OVDeviceInfo: tstr, OVPubKey,
 * OVDevCertChainHash: Hash / null]`.
 */
export const OVHeader = tuple({
  protVer: uint16,
  guid: HeaderGuid,
  rvInfo: kept(RendezvousInfoOrEmpty),
  deviceInfo: text,
  publicKey: kept(PublicKey),
  deviceCertChainHash: nullable(Hash),
})
export type OVHeader = Infer<typeof OVHeader>

/**
 * `null / bstr .cbor {* int => bstr}`; some write the map bare. What it holds is the owners'
 * affair: it is given as the encoded map, unread.
 */
const OVEExtra: Schema<Bytes | null> = nullable({
  parse: (item, path) => (item.major === Major.MAP ? bytesOf(item) : bytes().parse(item, path)),
  build: (extra) => extra,
})

/** `OVEntryPayload = [OVEHashPrevEntry, OVEHashHdrInfo, OVEExtra, OVEPubKey]`. */
export const OVEntryPayload = tuple({
  hashPrevEntry: Hash,
  hashHdrInfo: Hash,
  extra: OVEExtra,
  publicKey: kept(PublicKey),
})
export type OVEntryPayload = Infer<typeof OVEntryPayload>

/** One sale: a COSE_Sign1 by the owner before, naming the next. */
export interface OVEntry {
  /** The whole entry, tag included: what the next entry's hash covers. */
  readonly bytes: Bytes
  readonly sign1: Sign1
  readonly payload: OVEntryPayload
}

export const OVEntry: Schema<OVEntry> = {
  parse(item, path) {
    const { bytes: entryBytes, value: sign1 } = Sign1.parse(item, path)
    const payload = decodeAs(OVEntryPayload, sign1.payload, `${path}.payload`)
    return { bytes: entryBytes, sign1, payload }
  },
  build: (entry) => new Encoded(entry.bytes),
}

export interface Voucher {
  readonly bytes: Bytes
  readonly protVer: number
  /** `bytes` is what the HMAC and the first entry cover: the content of OVHeaderTag. */
  readonly header: Kept<OVHeader>
  readonly headerHMac: Kept<HMac>
  /** DER certificates, the Device's first. */
  readonly deviceCertChain: readonly Bytes[] | null
  readonly entries: readonly OVEntry[]
}

/**
 * `OwnershipVoucher = [OVProtVer, OVHeaderTag: bstr .cbor OVHeader, OVHeaderHMac,
 * OVDevCertChain: X5CHAIN / null, OVEntryArray: [* OVEntry]]`.
 */
const Parts = kept(
  tuple({
    protVer: uint16,
    header: wrapped(OVHeader),
    headerHMac: kept(HMac),
    deviceCertChain: nullable(X5Chain),
    entries: listOf(OVEntry),
  }),
)

/** As it stands inside TO0's to0d. Parsed is not verified: see verify.ts. */
export const OwnershipVoucher: Schema<Voucher> = {
  parse: (item, path) => {
    const { bytes: voucherBytes, value: parts } = Parts.parse(item, path)
    return { bytes: voucherBytes, ...parts }
  },
  build: (voucher) => new Encoded(voucher.bytes),
}

/** Reads a voucher, CBOR; throws a VoucherError for what is none. Not yet verified. */
export function parseVoucher(encoded: Bytes): Voucher {
  if (encoded.length > MAX_VOUCHER_BYTES) {
    throw new VoucherError({ check: 'too-large', detail: `${encoded.length} bytes` })
  }
  try {
    return decodeAs(OwnershipVoucher, encoded, 'OwnershipVoucher')
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw new VoucherError({ check: 'malformed', detail: cause.message }, { cause })
  }
}

/** The key of who owns the Device by this voucher: the last entry's, or else the manufacturer's. */
export function ownerKeyOf(voucher: Voucher): Kept<PublicKey> {
  return voucher.entries.at(-1)?.payload.publicKey ?? voucher.header.value.publicKey
}

/** A header made here, at DI or for the voucher that TO2 leaves behind. */
export function buildHeader(header: Omit<OVHeader, 'protVer'>): Kept<OVHeader> {
  return keep(OVHeader, { protVer: PROT_VER, ...header })
}

export interface VoucherParts {
  /** The content of OVHeaderTag, spliced in as it is. */
  readonly header: Bytes
  readonly hmac: HMac
  readonly chain: readonly Bytes[] | null
}

/** A voucher without entries: after DI, and after TO2. */
export function buildVoucher({ header, hmac, chain }: VoucherParts): Bytes {
  return encode([PROT_VER, header, HMac.build(hmac), chain && [...chain], []])
}

/** The same voucher and one more entry; no byte that came before is changed. */
export function appendEntry(voucher: Voucher, entry: Bytes): Bytes {
  const { protVer, header, headerHMac, deviceCertChain, entries } = voucher
  return encode([
    protVer,
    header.bytes,
    new Encoded(headerHMac.bytes),
    deviceCertChain && [...deviceCertChain],
    [...entries.map((one) => new Encoded(one.bytes)), new Encoded(entry)],
  ])
}
