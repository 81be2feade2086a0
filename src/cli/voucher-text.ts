/** A voucher as a person wants to read it, and as scripts do. */
import { createHash } from 'node:crypto'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { describeRendezvousInfo } from '../../protocol/types/rendezvous-text.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import { type Voucher, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import { facts } from './output.ts'

interface KeyText {
  readonly kind: string
  readonly encoding: string
  readonly fingerprint: string
}

export interface VoucherText {
  readonly guid: string
  readonly version: number
  readonly device_info: string
  readonly manufacturer_key: KeyText
  readonly owner_key: KeyText
  readonly entries: readonly KeyText[]
  readonly device_certificate: { readonly fingerprint: string; readonly not_after: string } | null
  readonly rendezvous_info: readonly object[]
  readonly bytes: number
}

const ENCODINGS = { 1: 'x509', 2: 'x5chain', 3: 'cose' } as const

export function voucherText(voucher: Voucher): VoucherText {
  const { header, entries, deviceCertChain, bytes } = voucher
  const { guid, deviceInfo, publicKey, rvInfo } = header.value
  const leaf = deviceCertChain?.[0]
  return {
    guid: toHex(guid),
    version: voucher.protVer,
    device_info: deviceInfo,
    manufacturer_key: keyText(publicKey.value),
    owner_key: keyText(ownerKeyOf(voucher).value),
    entries: entries.map(({ payload }) => keyText(payload.publicKey.value)),
    device_certificate: leaf
      ? { fingerprint: sha256(leaf), not_after: parseCertificate(leaf).notAfter.toISOString() }
      : null,
    rendezvous_info: describeRendezvousInfo(rvInfo.value),
    bytes: bytes.length,
  }
}

/** A page about one voucher. */
export function voucherPage(voucher: VoucherText): string {
  const key = ({ kind, encoding, fingerprint }: KeyText) =>
    `${kind} (${encoding}) ${fingerprint.slice(0, 16)}…`
  return facts([
    ['GUID', voucher.guid],
    ['device info', voucher.device_info],
    ['manufacturer', key(voucher.manufacturer_key)],
    ...voucher.entries.map((entry, i) => [`sold, ${i + 1}`, `to ${key(entry)}`] as const),
    ['owner now', voucher.entries.length === 0 ? 'the manufacturer' : key(voucher.owner_key)],
    ['device cert', deviceCertificate(voucher)],
    ...voucher.rendezvous_info.map(
      (directive, i) => [`rendezvous ${i + 1}`, JSON.stringify(directive)] as const,
    ),
    ['size', `${voucher.bytes} bytes`],
  ])
}

function deviceCertificate({ device_certificate }: VoucherText): string {
  if (!device_certificate) return 'none'
  const { fingerprint, not_after } = device_certificate
  return `${fingerprint.slice(0, 16)}…, good until ${not_after.slice(0, 10)}`
}

function keyText({ key, encoding }: PublicKey): KeyText {
  return { kind: key.kind, encoding: ENCODINGS[encoding], fingerprint: sha256(key.spki) }
}

function sha256(bytes: Bytes): string {
  return createHash('sha256').update(bytes).digest('hex')
}
