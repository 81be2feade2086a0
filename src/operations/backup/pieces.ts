/**
 * A stream of any length under one key, in pieces of 64 KiB: AES-256-GCM, the number of the piece and
 * whether it is the last as nonce. So nothing is handed out that has not been authenticated, pieces
 * cannot be moved, and a stream that was cut short is found.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { ByteReader } from '../../bundles/byte-reader.ts'
import { OperationRefused } from '../refused.ts'

const PIECE_BYTES = 64 * 1024
const TAG_BYTES = 16
const NONCE_BYTES = 12

/** The key of the pieces: of this file alone, head included. */
export function pieceKey(key: Bytes, head: Bytes): Bytes {
  return new Uint8Array(hkdfSync('sha256', key, head, 'firstlight-backup pieces', 32))
}

export async function* sealPieces(key: Bytes, plain: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const reader = new ByteReader(plain)
  try {
    for await (const { index, isLast, bytes } of inPieces(reader, PIECE_BYTES)) {
      const cipher = createCipheriv('aes-256-gcm', key, nonceOf(index, isLast))
      yield Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
    }
  } finally {
    // Written no further: a database may be held open at the other end.
    await reader.close()
  }
}

/** Throws OperationRefused at the first piece that is not as it was written. */
export async function* openPieces(key: Bytes, sealed: ByteReader): AsyncGenerator<Bytes> {
  for await (const { index, isLast, bytes } of inPieces(sealed, PIECE_BYTES + TAG_BYTES)) {
    if (bytes.length < TAG_BYTES) throw damaged('it ends in the middle')
    const options = { authTagLength: TAG_BYTES }
    const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(index, isLast), options)
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES))
    const plain = decipher.update(bytes.subarray(0, bytes.length - TAG_BYTES))
    try {
      decipher.final()
    } catch {
      // What final() throws says only that the tag is wrong.
      throw damaged(`it was changed or cut short at or after byte ${index * PIECE_BYTES}`)
    }
    yield plain
  }
}

export function damaged(what: string): OperationRefused {
  const next = 'take an older back-up, or another copy of this one'
  return new OperationRefused('damaged', `the back-up is damaged: ${what}`, { next })
}

interface Piece {
  readonly index: number
  readonly isLast: boolean
  readonly bytes: Buffer
}

/** At least one, and all but the last of the same length. */
async function* inPieces(reader: ByteReader, length: number): AsyncGenerator<Piece> {
  for (let index = 0; ; index++) {
    const held = await reader.peek(length + 1)
    const isLast = held.length <= length
    const bytes = held.subarray(0, length)
    yield { index, isLast, bytes }
    reader.skip(bytes.length)
    if (isLast) return
  }
}

function nonceOf(index: number, isLast: boolean): Bytes {
  const nonce = Buffer.alloc(NONCE_BYTES)
  nonce.writeUInt32BE(index, NONCE_BYTES - 5)
  nonce.writeUInt8(isLast ? 1 : 0, NONCE_BYTES - 1)
  return nonce
}
