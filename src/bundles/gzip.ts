/** Gzip, unpacked as it comes. What it grows to is watched: a small file may hold a very large one. */
import { Readable, pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { Bytes } from '../../protocol/bytes.ts'
import { BundleEnd } from './item.ts'
import { type BundleLimits, checkRatio } from './limits.ts'

export function isGzip([first, second]: Bytes): boolean {
  return first === 0x1f && second === 0x8b
}

/** Throws a BundleEnd where it is damaged or cut off; errors of the source go through. */
export async function* gunzipped(
  source: AsyncIterable<Bytes>,
  limits: BundleLimits,
): AsyncGenerator<Bytes> {
  const packed = counted(source)
  const gunzip = createGunzip()
  // How it ended is thrown below, by whoever reads.
  pipeline(Readable.from(packed.parts, { objectMode: false }), gunzip, () => {})
  let length = 0
  try {
    for await (const part of gunzip as AsyncIterable<Buffer>) {
      length += part.length
      checkRatio(packed.length(), length, limits)
      yield part
    }
  } catch (error) {
    if (!isOfZlib(error)) throw error
    throw new BundleEnd('archive-broken', `gzip: ${error.message}`, { cause: error })
  } finally {
    gunzip.destroy()
  }
}

function counted(source: AsyncIterable<Bytes>) {
  let length = 0
  async function* parts(): AsyncGenerator<Bytes> {
    for await (const part of source) {
      length += part.length
      yield part
    }
  }
  return { parts: parts(), length: () => length }
}

function isOfZlib(error: unknown): error is Error {
  if (!(error instanceof Error) || !('code' in error)) return false
  return typeof error.code === 'string' && error.code.startsWith('Z_')
}
