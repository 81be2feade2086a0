/**
 * A receipt for a voucher: signed by the key the voucher was sold to, so that whoever has voucher
 * and receipt can tell, without asking anyone, that its buyer took it in. Ours alone: no text of
 * FDO has one.
 */
import { type Bytes, toHex } from '../bytes.ts'
import { type Infer, bytes, decodeAs, encodeAs, text, tuple, uint } from '../cbor/schema.ts'
import { Sign1, signSign1, verifySign1 } from '../cose/sign1.ts'
import { aadOf } from '../cose/tagged-aad.ts'
import { SHA256, hashOf } from '../crypto/hash.ts'
import { sameKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import { FdoError } from '../errors.ts'
import { Guid } from '../types/base.ts'
import { type Voucher, ownerKeyOf } from '../voucher/voucher.ts'

const RECEIPT = aadOf('Firstlight-VoucherReceipt-v1')

/** `[guid, SHA-256 of the voucher: bstr, received: uint (Unix s), sender: tstr]`. */
const ReceiptPayload = tuple({
  guid: Guid,
  voucherHash: bytes(32),
  receivedAt: uint(),
  sender: text,
})

/** What a receipt says; `sender` is what the receiver knows the sender as. */
export type Receipt = Infer<typeof ReceiptPayload>

export interface Received {
  readonly receivedAt: Date
  readonly sender: string
}

/** `signer` is of the key the voucher names last. */
export async function signReceipt(
  voucher: Voucher,
  signer: Signer,
  { receivedAt, sender }: Received,
): Promise<Bytes> {
  if (!sameKey(ownerKeyOf(voucher).value.key, signer.key)) {
    throw new FdoError('INVALID_OWNERSHIP_VOUCHER', 'receipt: the signer is not the buyer')
  }
  const payload = encodeAs(ReceiptPayload, {
    guid: voucher.header.value.guid,
    voucherHash: hashOf(SHA256, voucher.bytes).value,
    receivedAt: Math.floor(receivedAt.getTime() / 1000),
    sender,
  })
  return signSign1(signer, payload, undefined, RECEIPT)
}

/** What the receipt says, if it is the buyer's, for this very voucher; throws an FdoError if not. */
export async function readReceipt(receipt: Bytes, voucher: Voucher): Promise<Receipt> {
  const { value: sign1 } = decodeAs(Sign1, receipt, 'receipt')
  if (!(await verifySign1(sign1, ownerKeyOf(voucher).value.key, RECEIPT))) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'receipt: not signed by the voucher’s owner')
  }
  const said = decodeAs(ReceiptPayload, sign1.payload, 'receipt')
  if (toHex(said.voucherHash) !== toHex(hashOf(SHA256, voucher.bytes).value)) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'receipt: for another voucher')
  }
  return said
}
