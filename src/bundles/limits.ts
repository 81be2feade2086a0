/** How much one bundle may hold, whatever it says of itself. */
import type { Bytes } from '../../protocol/bytes.ts'
import { BundleEnd } from './item.ts'

export interface BundleLimits {
  /** Vouchers, flaws and files of an archive, together. */
  readonly items: number
  /** Uncompressed. */
  readonly bytes: number
  /** A single file of an archive. */
  readonly fileBytes: number
  /** Uncompressed to compressed. Vouchers hold keys and signatures, which hardly shrink. */
  readonly ratio: number
}

export const BUNDLE_LIMITS: BundleLimits = {
  items: 500_000,
  bytes: 4 * 2 ** 30,
  fileBytes: 256 << 20,
  ratio: 100,
}

/** Short streams may hold the same again and again. */
const RATIO_FROM_BYTES = 1 << 20

/** A stream that ends with `archive-too-large` where it grows beyond its limit. */
export async function* limited(
  source: AsyncIterable<Bytes>,
  { bytes }: BundleLimits,
): AsyncGenerator<Bytes> {
  let length = 0
  for await (const part of source) {
    length += part.length
    if (length > bytes) throw tooLarge(`more than ${bytes} bytes`)
    yield part
  }
}

/** Throws where so few bytes have become so many. */
export function checkRatio(packed: number, unpacked: number, { ratio }: BundleLimits): void {
  if (unpacked < RATIO_FROM_BYTES || unpacked <= packed * ratio) return
  throw tooLarge(`compressed more than ${ratio} times: no vouchers are`)
}

/** Counts what has come out of one bundle. */
export class ItemCount {
  readonly #most: number
  #count = 0

  constructor({ items }: BundleLimits) {
    this.#most = items
  }

  add(): void {
    if (++this.#count > this.#most) throw tooLarge(`more than ${this.#most} vouchers and files`)
  }
}

function tooLarge(detail: string): BundleEnd {
  return new BundleEnd('archive-too-large', `${detail}; split it`)
}
