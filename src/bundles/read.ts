/**
 * Vouchers read from a stream of one or a hundred thousand: PEM, a CBOR sequence, a tar archive of
 * such files, or gzip around any of these, told apart by the first bytes. No more of it is held than
 * a few vouchers' worth, and no more is asked for than the reader takes.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { findForeign, findUnreadable, isTar } from './formats.ts'
import { gunzipped, isGzip } from './gzip.ts'
import { BundleEnd, type BundleItems } from './item.ts'
import { BUNDLE_LIMITS, type BundleLimits, ItemCount, limited } from './limits.ts'
import { flawed, plainVouchers } from './plain.ts'
import { tarVouchers } from './tar.ts'
import { BLOCK } from './tar-header.ts'

/** What is wrong with the bundle is an item of its own; only errors of the stream are thrown. */
export async function* readBundle(
  source: AsyncIterable<Bytes>,
  limits: BundleLimits = BUNDLE_LIMITS,
): BundleItems {
  const count = new ItemCount(limits)
  try {
    for await (const item of vouchersIn(source, limits, count)) {
      count.add()
      yield item
    }
  } catch (error) {
    if (!(error instanceof BundleEnd)) throw error
    yield flawed(null, error.flaw, error.message)
  }
}

async function* vouchersIn(
  source: AsyncIterable<Bytes>,
  limits: BundleLimits,
  count: ItemCount,
): BundleItems {
  const reader = new ByteReader(limited(source, limits))
  try {
    const start = await reader.peek(BLOCK)
    if (!isGzip(start)) return yield* unpacked(reader, start, limits, count)
    yield* gzipVouchers(reader, limits, count)
  } finally {
    await reader.close()
  }
}

async function* gzipVouchers(
  packed: ByteReader,
  limits: BundleLimits,
  count: ItemCount,
): BundleItems {
  const reader = new ByteReader(limited(gunzipped(packed.rest(), limits), limits))
  try {
    yield* unpacked(reader, await reader.peek(BLOCK), limits, count)
  } finally {
    await reader.close()
  }
}

async function* unpacked(
  reader: ByteReader,
  start: Buffer,
  limits: BundleLimits,
  count: ItemCount,
): BundleItems {
  if (isTar(start)) return yield* tarVouchers(reader, limits, count)
  const foreign = findForeign(start) ?? (isGzip(start) ? findUnreadable(start) : undefined)
  if (foreign === undefined) return yield* plainVouchers(reader, null)
  yield flawed(null, 'not-supported', `${foreign}; send PEM, CBOR, tar or tar.gz`)
}
