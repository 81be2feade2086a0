/** Vouchers parsed lately: TO0 and TO2 ask for the same one several times within moments. */
import type { Bytes } from '../../protocol/bytes.ts'
import { type Voucher, parseVoucher } from '../../protocol/voucher/voucher.ts'
import type { VoucherTable } from '../database/tables/vouchers.ts'

const MOST_KEPT = 1000

/** Which bytes these are: each party has its own, and they change with the revision or a new row. */
export type Edition = Pick<VoucherTable, 'party' | 'revision' | 'created_at'>

interface Parsed {
  readonly voucher: Voucher
  readonly edition: string | undefined
}

export class ParsedVouchers {
  readonly #kept = new Map<string, Parsed>()

  /** The voucher of these bytes, parsed now or before. */
  parse(guid: string, cbor: Bytes, edition?: Edition): Voucher {
    const known = this.#kept.get(guid)
    const isSame = known !== undefined && Buffer.compare(known.voucher.bytes, cbor) === 0
    const voucher = isSame ? known.voucher : parseVoucher(cbor)
    this.#kept.delete(guid)
    this.#kept.set(guid, { voucher, edition: edition && textOf(edition) })
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '')
    return voucher
  }

  /** Without its bytes, where this very edition was parsed lately. */
  recall(guid: string, edition: Edition): Voucher | undefined {
    const known = this.#kept.get(guid)
    return known?.edition === textOf(edition) ? known.voucher : undefined
  }

  forget(guid: string): void {
    this.#kept.delete(guid)
  }
}

function textOf({ party, revision, created_at }: Edition): string {
  return `${party} ${revision} ${created_at}`
}
