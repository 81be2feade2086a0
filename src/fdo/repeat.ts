/** Messages sent once more: they get the answer they had, or none, and change nothing. */
import { hash } from 'node:crypto'
import { type Bytes, concat, equalBytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/message.ts'
import { type Run, SEALED_RUN_SECONDS, rowToken } from './sealed-session.ts'
import type { SessionRow } from './store.ts'

/** How long the last answer of a run can be had again. */
export const REPEATED_FOR_MS = 5 * 60_000

/** An answer, and the token that goes with it. */
export interface Answered {
  readonly message: Message
  readonly authorization: string
}

/**
 * The answer once given to this very message, if that was the last one. Anything else is refused:
 * it comes too late, and changes nothing.
 */
export function repeatOf(
  runId: Bytes,
  row: SessionRow,
  tokenVersion: number,
  request: Message,
): Answered {
  const { version, reply, reply_type } = row
  if (!reply || reply_type === null) throw new FdoError('INVALID_JWT_TOKEN', 'the run has ended')
  // With the token it was sent with, or the one it was answered with.
  const isLast = tokenVersion === version - 1 || tokenVersion === version
  if (!isLast || !isSame(row, request)) {
    throw movedOn()
  }
  const message = { number: reply_type, bytes: reply }
  return { message, authorization: rowToken(runId, version) }
}

export function movedOn(): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', 'the run has moved on from this message')
}

export function isSame(row: SessionRow, request: Message): boolean {
  return equalBytes(row.request_hash, hashOf(request))
}

/** Of the message and its number. */
export function hashOf({ number, bytes }: Message): Bytes {
  return hash('sha256', concat(Uint8Array.of(number), bytes), 'buffer')
}

/** A run's end is remembered for its last answer, and while a sealed token of it may be about. */
export function tombstoneUntil(run: Run, now: Date): string {
  const lastSealed = (run.startedAt + SEALED_RUN_SECONDS) * 1000
  return new Date(Math.max(lastSealed, now.getTime() + REPEATED_FOR_MS)).toISOString()
}
