/** Vouchers to build on, from the parts of go-fdo's vectors: keys, a device chain, a header. */
import type { Bytes } from '../../protocol/bytes.ts'
import { hmacOf } from '../../protocol/crypto/hash.ts'
import { type PublicKey, algorithmFor } from '../../protocol/crypto/public-key.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { extendVoucher } from '../../protocol/voucher/extend.ts'
import type { EntryStyle } from '../../protocol/voucher/verify.ts'
import { type OVHeader, buildHeader, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { type Voucher, buildVoucher, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { fixture, fromHex } from './wire.ts'

export interface VoucherVector {
  readonly name: string
  readonly guid: string
  readonly deviceInfo: string
  readonly keyType: number
  readonly keyEnc: number
  readonly hashAlg: -16 | -43
  readonly hmacAlg: 5 | 6
  readonly hmacSecret: string
  readonly headerBytes: string
  readonly headerHmac: string
  readonly hdrInfoHash: string
  readonly entry0PrevHash: string
  readonly entry0PrevHashInput: string
  readonly entry1PrevHash: string
  readonly entry1PrevHashInput: string
  readonly manufacturerKeyHash: { readonly alg: -16 | -43; readonly value: string }
  readonly devicePrivatePkcs8: string
  readonly ownerKeysPkcs8: readonly string[]
  readonly good: readonly { case: string; entries: number; pem: string; voucher: string }[]
  readonly bad: readonly { case: string; voucher: string }[]
}

export const voucherVectors = fixture<{ vectors: readonly VoucherVector[] }>(
  'vectors/vouchers.json',
).vectors

export interface VoucherParts {
  readonly header: OVHeader
  readonly chain: readonly Bytes[]
  readonly hmacSecret: Bytes
  readonly hmacType: 5 | 6
  /** Manufacturer first, then the owner that entry 0, 1, 2 names. */
  readonly signers: readonly Signer[]
  /** Those owners' keys, as the entries of go-fdo's voucher have them. */
  readonly publicKeys: readonly PublicKey[]
}

/** The parts of one configuration, such as `p256-x509-devP256`. */
export function partsOf(name = 'p256-x509-devP256'): VoucherParts {
  const vector = voucherVectors.find((one) => one.name === name)
  const voucher = parseVoucher(fromHex(vector?.good[3]?.voucher ?? ''))
  if (!vector) throw new Error(`no configuration ${name}`)
  const { publicKey } = voucher.header.value
  const publicKeys = [publicKey, ...voucher.entries.map((entry) => entry.payload.publicKey)]
  const { type, key } = publicKey.value
  return {
    header: voucher.header.value,
    chain: voucher.deviceCertChain ?? [],
    hmacSecret: fromHex(vector.hmacSecret),
    hmacType: vector.hmacAlg,
    signers: vector.ownerKeysPkcs8.map((pkcs8) =>
      signerFromPkcs8(fromHex(pkcs8), algorithmFor(type, key.kind)),
    ),
    publicKeys: publicKeys.map((one) => one.value),
  }
}

/** A voucher with its header changed before anything is computed over it, sold `sales` times. */
export async function makeVoucher(
  parts: VoucherParts,
  {
    header = {},
    sales = 1,
    entryStyle = 'fdo-1.1',
  }: { header?: Partial<OVHeader>; sales?: number; entryStyle?: EntryStyle } = {},
): Promise<Voucher> {
  const kept = buildHeader({ ...parts.header, ...header })
  const hmac = hmacOf(parts.hmacType, parts.hmacSecret, kept.bytes)
  let voucher = parseVoucher(buildVoucher({ header: kept.bytes, hmac, chain: parts.chain }))
  for (let i = 0; i < sales; i++) voucher = await sell(parts, voucher, i + 1, entryStyle)
  return voucher
}

/** One more entry; owners come round again after the third. */
export async function sell(
  parts: VoucherParts,
  voucher: Voucher,
  to: number,
  entryStyle: EntryStyle = 'fdo-1.1',
): Promise<Voucher> {
  const current = ownerKeyOf(voucher).value.key
  const signer = parts.signers.find(({ key }) => key === current || isEqual(key.spki, current.spki))
  const next = parts.publicKeys[to % parts.publicKeys.length]
  if (!signer || !next) throw new Error('no such owner')
  return parseVoucher(await extendVoucher(voucher, signer, next, { entryStyle }))
}

function isEqual(a: Bytes, b: Bytes): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
