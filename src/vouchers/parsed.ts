/** Vouchers parsed lately: TO0 and TO2 ask for the same one several times within moments. */
import type { Bytes } from '../../protocol/bytes.ts'
import { type Voucher, parseVoucher } from '../../protocol/voucher/voucher.ts'

const MOST_KEPT = 1000

export class ParsedVouchers {
  readonly #kept = new Map<string, Voucher>()

  /** The voucher of these bytes, parsed now or before. */
  parse(guid: string, cbor: Bytes): Voucher {
    const known = this.#kept.get(guid)
    if (known && Buffer.compare(known.bytes, cbor) === 0) return known
    const voucher = parseVoucher(cbor)
    this.#kept.delete(guid)
    this.#kept.set(guid, voucher)
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '')
    return voucher
  }
}
