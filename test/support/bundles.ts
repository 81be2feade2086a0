/** Bundles of vouchers to read: archives written by hand, with every flaw wanted, and streams. */
import { checksumOf } from '../../src/bundles/tar-header.ts'
import type { Bytes } from '../../protocol/bytes.ts'
import type { BundleItem } from '../../src/bundles/item.ts'
import type { BundleLimits } from '../../src/bundles/limits.ts'
import { readBundle } from '../../src/bundles/read.ts'

export interface TarFile {
  readonly name?: string
  readonly content?: Bytes | string
  /** The type flag. */
  readonly type?: string
  /** What the header says, where it is not the truth. */
  readonly size?: number | Bytes
}

export function tarFile({ name = 'a.pem', content = '', type = '0', size }: TarFile): Buffer {
  const bytes = Buffer.from(content)
  const block = Buffer.alloc(512)
  block.write(name, 0, 100)
  if (size instanceof Uint8Array) Buffer.from(size).copy(block, 124)
  else block.write((size ?? bytes.length).toString(8).padStart(11, '0'), 124)
  block.write(type, 156)
  block.write('ustar\x0000', 257)
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([block, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)])
}

export const TAR_END = Buffer.alloc(1024)

/** The bytes as a stream, `size` at a time. */
export async function* inParts(bytes: Bytes, size = 1000): AsyncGenerator<Bytes> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

export async function itemsOf(
  source: AsyncIterable<Bytes> | Bytes,
  limits?: BundleLimits,
): Promise<BundleItem[]> {
  const stream = source instanceof Uint8Array ? inParts(source) : source
  const items: BundleItem[] = []
  for await (const item of readBundle(stream, limits)) items.push(item)
  return items
}

/** An item in short: whose bytes it is, or which flaw. */
export function summaryOf(item: BundleItem, known: readonly Bytes[] = []): string {
  const { name } = item
  const where = name === null ? '' : `${name}: `
  if ('flaw' in item) return `${where}${item.flaw}`
  return `${where}${known.findIndex((one) => Buffer.compare(one, item.bytes) === 0)}`
}
