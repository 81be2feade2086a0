/** Randomness in small pieces, drawn in large ones: each call of node:crypto costs as much as KBs. */
import { randomFillSync } from 'node:crypto'
import type { Bytes } from '../protocol/bytes.ts'

const POOL_BYTES = 4096
/** More at once is drawn by itself. */
const MOST_FROM_POOL = 64

/** What it hands out is the caller's own; nothing is handed out twice, or stays behind. */
export function pooledRandomBytes(): (length: number) => Bytes {
  const pool = new Uint8Array(POOL_BYTES)
  let used = POOL_BYTES
  return (length) => {
    if (length > MOST_FROM_POOL) return randomFillSync(new Uint8Array(length))
    if (used + length > POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const piece = pool.slice(used, used + length)
    pool.fill(0, used, used + length)
    used += length
    return piece
  }
}
