/** What comes out of a bundle: vouchers, and what is wrong where there should be one. */
import type { Bytes } from '../../protocol/bytes.ts'

export interface BundledVoucher {
  /** The file of the archive it was in, fit to be shown; null where there is no archive. */
  readonly name: string | null
  /** CBOR, as it was found: that it is a voucher has not been looked at. */
  readonly bytes: Bytes
}

export type Flaw =
  /** No voucher, or none that can be told from what is around it. */
  | 'malformed'
  /** Longer than a voucher may be, or a file larger than one of an archive may be. */
  | 'too-large'
  /** A link, a device, a file with holes: something an archive holds beside files. */
  | 'not-a-file'
  /** An archive inside an archive, or of a kind that is not read. */
  | 'not-supported'
  /** The archive is damaged or cut off. */
  | 'archive-broken'
  /** More than is taken in at once, or suspiciously much from little. The rest is not read. */
  | 'archive-too-large'

export interface BundleFlaw {
  readonly name: string | null
  readonly flaw: Flaw
  readonly detail: string
}

export type BundleItem = BundledVoucher | BundleFlaw

export type BundleItems = AsyncGenerator<BundleItem, void, undefined>

/** What ends the reading of a bundle: what came before it stays good. */
export class BundleEnd extends Error {
  override readonly name = 'BundleEnd'
  readonly flaw: Flaw

  constructor(flaw: Flaw, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.flaw = flaw
  }
}
