/** Sending a file in pieces, either way: as many as the next message has room for. */
import type { Bytes } from '../bytes.ts'
import { EMPTY } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import type { ModuleOutbox } from '../service-info/module.ts'

/** What one piece carries in the modules that cut files: the FSIM texts say so. */
const MAX_PIECE_BYTES = 1014
/** A piece shorter than this waits for the next message, unless it is the last. */
const MIN_PIECE_BYTES = 64
/** The head of a byte string of up to 65,535 bytes. */
const HEAD_BYTES = 3

export interface PieceSource {
  readonly length: number
  read(offset: number, length: number): Bytes | Promise<Bytes>
}

/** Sends pieces from `offset` on under `message`, and gives all that was sent as one. */
export async function sendPieces(
  source: PieceSource,
  offset: number,
  outbox: ModuleOutbox,
  message: string,
): Promise<Bytes> {
  const wanted = Math.min(source.length - offset, outbox.roomFor(message))
  if (wanted <= 0) return EMPTY
  const block = await source.read(offset, wanted)
  if (block.length !== wanted) {
    throw new FdoError('INTERNAL_SERVER_ERROR', 'a file became shorter while it was sent')
  }
  let sent = 0
  while (offset + sent < source.length) {
    const left = source.length - offset - sent
    const size = Math.min(left, MAX_PIECE_BYTES, outbox.roomFor(message) - HEAD_BYTES)
    if (size < Math.min(left, MIN_PIECE_BYTES)) break
    outbox.send(message, block.subarray(sent, sent + size))
    sent += size
  }
  return block.subarray(0, sent)
}
