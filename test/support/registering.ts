/** Messages of TO0 and TO1 to try a Rendezvous Server with, any part of them exchanged. */
import type { Bytes } from '../../protocol/bytes.ts'
import { type CborValue, Encoded, encode } from '../../protocol/cbor/cbor.ts'
import { encodeAs } from '../../protocol/cbor/schema.ts'
import { converse } from '../../protocol/converse.ts'
import { signSign1 } from '../../protocol/cose/sign1.ts'
import { SHA256, hashOf } from '../../protocol/crypto/hash.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import type { Message } from '../../protocol/message.ts'
import { To1dPayload } from '../../protocol/to0/messages.ts'
import { beginTo0, to0Owner } from '../../protocol/to0/owner.ts'
import type { To2Addresses } from '../../protocol/types/to2-address.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import { type VoucherParts, makeVoucher, partsOf, voucherVectors } from './vouchers.ts'
import { fromHex } from './wire.ts'

export const ADDRESSES: To2Addresses = [
  { ip: null, dns: 'owner.example.test', port: 8043, protocol: 3 },
]

export interface OwnerSignParts {
  readonly voucher: Voucher | Bytes
  readonly nonce: Bytes
  readonly signer: Signer
  readonly waitSeconds?: number
  /** Written as they are, right or wrong. */
  readonly addresses?: CborValue
  /** What the hash in to1d is taken over, if not of this to0d. */
  readonly hashed?: Bytes
}

/** TO0.OwnerSign, made without our own Owner's checks. */
export async function ownerSignOf(parts: OwnerSignParts): Promise<Message> {
  const { voucher, nonce, signer, waitSeconds = 3600 } = parts
  const voucherBytes = voucher instanceof Uint8Array ? voucher : voucher.bytes
  const to0d = encode([new Encoded(voucherBytes), waitSeconds, nonce])
  const hash = hashOf(SHA256, parts.hashed ?? to0d)
  const payload = parts.addresses
    ? encode([parts.addresses, [hash.type, hash.value]])
    : encodeAs(To1dPayload, { to1dRV: ADDRESSES, to1dTo0dHash: hash })
  const to1d = await signSign1(signer, payload)
  return { number: 22, bytes: encode([to0d, new Encoded(to1d)]) }
}

export interface Registering {
  readonly voucher: Voucher
  readonly signer: Signer
  readonly waitSeconds?: number
}

/** TO0 by hand, at the rendezvous at this URL. */
export async function registerAt(url: string, registering: Registering): Promise<unknown> {
  const context = { addresses: ADDRESSES, waitSeconds: 3600, ...registering }
  const { send, close } = httpTransport(url)
  try {
    const parts = { role: to0Owner, first: beginTo0(context), context, now: () => new Date() }
    return (await converse({ ...parts, transport: send }))[0]
  } finally {
    close()
  }
}

export interface World {
  readonly parts: VoucherParts
  /** Sold once. */
  readonly voucher: Voucher
  /** Of the owner the voucher names. */
  readonly owner: Signer
  readonly device: Signer
}

/** A device and its owner, from one configuration of go-fdo's vectors. */
export async function worldOf(name = 'p256-x509-devP256'): Promise<World> {
  const parts = partsOf(name)
  const vector = voucherVectors.find((one) => one.name === name)
  const [, owner] = parts.signers
  if (!owner || !vector) throw new Error(`no configuration ${name}`)
  const device = signerFromPkcs8(fromHex(vector.devicePrivatePkcs8))
  return { parts, voucher: await makeVoucher(parts), owner, device }
}
