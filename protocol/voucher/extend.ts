/** Selling a voucher on: an entry by its owner naming the next. FDO 1.1, "Extending the Ownership Voucher". */
import type { Bytes } from '../bytes.ts'
import { encodeAs, keep } from '../cbor/schema.ts'
import { signSign1 } from '../cose/sign1.ts'
import { hashOf, hashTypeOf } from '../crypto/hash.ts'
import { PublicKey, X509, X5CHAIN, algorithmFor, sameKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import { type EntryStyle, beforeEntries, entryAad, headerInfoHash } from './verify.ts'
import {
  MAX_ENTRIES,
  MAX_VOUCHER_BYTES,
  OVEntryPayload,
  type Voucher,
  type VoucherCheck,
  VoucherError,
  appendEntry,
  ownerKeyOf,
} from './voucher.ts'

export interface ExtendOptions {
  /** OVEExtra. */
  readonly extra?: Bytes | null
  /** That of the entries there are: whoever verified them knows it. */
  readonly entryStyle?: EntryStyle
}

/**
 * The voucher with one more entry, by which it belongs to `nextOwner`. Whoever calls this has
 * verified the voucher: an entry does not vouch for those before it. Throws a VoucherError where
 * the result would not verify, or not fit into a message.
 */
export async function extendVoucher(
  voucher: Voucher,
  signer: Signer,
  nextOwner: PublicKey,
  { extra = null, entryStyle = 'fdo-1.1' }: ExtendOptions = {},
): Promise<Bytes> {
  checkSigner(ownerKeyOf(voucher).value, signer)
  const { header, headerHMac, entries } = voucher
  if (entries.length >= MAX_ENTRIES) refuse('too-many-entries', `${entries.length} already`)
  const publicKey = keep(PublicKey, inStyleOf(header.value.publicKey.value, nextOwner))
  // What the Device's HMAC can do the Device can verify; entries after the first must agree.
  const type = entries[0]?.payload.hashPrevEntry.type ?? hashTypeOf(headerHMac.value.type)
  const previous = entries.at(-1)?.bytes ?? beforeEntries(header, headerHMac).previous
  const payload = encodeAs(OVEntryPayload, {
    hashPrevEntry: hashOf(type, previous),
    hashHdrInfo: headerInfoHash(type, header.value),
    extra,
    publicKey,
  })
  const entry = await signSign1(signer, payload, undefined, entryAad(entryStyle))
  const extended = appendEntry(voucher, entry)
  if (extended.length > MAX_VOUCHER_BYTES) refuse('too-large', `${extended.length} bytes`)
  return extended
}

function checkSigner({ type, key }: PublicKey, signer: Signer): void {
  if (!sameKey(key, signer.key)) refuse('owner-key', 'the signer is not who owns this voucher')
  const padding = algorithmFor(type, key.kind)?.padding
  if (signer.algorithm.padding !== padding) {
    refuse('owner-key', `${signer.algorithm.name} is not for a key of type ${type}`)
  }
}

/**
 * The next owner's key under the type and in the encoding of the manufacturer's: C devices read
 * only the encoding they know from the header.
 */
function inStyleOf(first: PublicKey, { key, chain }: PublicKey): PublicKey {
  if (key.kind !== first.key.kind) {
    refuse('next-owner-key-type', `${key.kind}, where the manufacturer's is ${first.key.kind}`)
  }
  const { type, encoding } = first
  if (encoding !== X5CHAIN) return { type, encoding, key }
  return chain ? { type, encoding, key, chain } : { type, encoding: X509, key }
}

function refuse(check: VoucherCheck, detail: string): never {
  throw new VoucherError({ check, detail })
}
