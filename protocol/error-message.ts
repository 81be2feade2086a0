/** The Error message, Type 255: ends a run of any protocol, from either side. */
import { fromUtf8 } from './bytes.ts'
import { encode } from './cbor/cbor.ts'
import { Major, contentOf, scan } from './cbor/scan.ts'
import { ErrorCode, FdoError, HasteError } from './errors.ts'
import type { Message } from './message.ts'

export const ERROR_MESSAGE = 255

/** An error that is not an FdoError is ours, not the peer's, and shows as INTERNAL_SERVER_ERROR. */
export function errorMessage(
  error: unknown,
  previousMessage: number,
  now: Date,
  correlationId = 0,
): Message {
  const code = error instanceof FdoError ? error.code : 'INTERNAL_SERVER_ERROR'
  const seconds = Math.floor(now.getTime() / 1000)
  // A peer that is too fast is told so: nothing of that is a secret.
  const text = error instanceof HasteError ? error.message : code
  // [EMErrorCode, EMPrevMsgID, EMErrorStr, EMErrorTs, EMErrorCID]. Divergence: peers in the field
  // read an untagged timestamp, and the Java ones need a number, not null, for the correlation ID.
  const bytes = encode([ErrorCode[code], previousMessage & 0xff, text, seconds, correlationId])
  return { number: ERROR_MESSAGE, bytes }
}

/** What a peer said went wrong, as far as it can be read. */
export interface PeerError {
  readonly code: number
  readonly previousMessage: number
  readonly text: string
}

/** Reads leniently: peers write the timestamp and the correlation ID in every form there is. */
export function parseErrorMessage(bytes: Uint8Array): PeerError {
  const { major, items } = scan(bytes, { floats: true })
  const [code, previous, text] = items
  if (
    major !== Major.ARRAY ||
    code?.major !== Major.UINT ||
    previous?.major !== Major.UINT ||
    text?.major !== Major.TEXT
  ) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'not an Error message')
  }
  return {
    code: Number(code.argument),
    previousMessage: Number(previous.argument),
    text: fromUtf8(contentOf(text)),
  }
}

/** A peer's 255, thrown by whoever drives a conversation with it. */
export class PeerRefusal extends Error {
  override readonly name = 'PeerRefusal'
  readonly peerError: PeerError

  constructor(peerError: PeerError) {
    super(`the peer refused message ${peerError.previousMessage}: ${peerError.text}`)
    this.peerError = peerError
  }
}
