/**
 * What is told of a run with each of its messages, in plain values: several processes may deal with
 * the messages of one run, and one of them keeps its story.
 */
import { type Bytes, concat, toHex } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import { RUN_ID_BYTES, type Run } from './sealed-session.ts'

/** What is known of a message once it has been dealt with. */
export interface Chapter {
  readonly run: Run
  /** `DI`, `TO0`, `TO1`, `TO2`. */
  readonly protocol: string
  /** Where it came from. */
  readonly source: string
  readonly guid: Bytes | undefined
  /** The header that came with it. */
  readonly traceparent?: string | undefined
}

export interface Told extends Pick<Chapter, 'protocol' | 'source' | 'traceparent'> {
  /** The run's id. */
  readonly run: string
  /** Seconds. */
  readonly startedAt: number
  readonly guid: string | undefined
  /** When the message had been dealt with, in milliseconds. */
  readonly at: number
  /** What comes next; null where that was the last message. */
  readonly expects: string | null
  /** It failed, and this is why: `expects` is what was expected then. */
  readonly failure?: { readonly code?: string; readonly reason?: string }
}

/** The processes of one service, to each of them. */
export interface Storytellers {
  /** The ids of runs that begin in this process begin with it. */
  readonly mark: Bytes
  /** To whichever of them keeps the story. */
  tell(told: Told): void
}

/** Random but for the mark of this process, where there are several. */
export function newRunId(randomBytes: RandomBytes, storytellers: Storytellers | undefined): Bytes {
  if (!storytellers) return randomBytes(RUN_ID_BYTES)
  const { mark } = storytellers
  return concat(mark, randomBytes(RUN_ID_BYTES - mark.length))
}

export function toldOf({ run, guid, ...chapter }: Chapter, at: number): Omit<Told, 'expects'> {
  const { protocol, source, traceparent } = chapter
  const about = { protocol, source, ...(traceparent !== undefined && { traceparent }) }
  return { ...about, run: toHex(run.id), startedAt: run.startedAt, guid: guid && toHex(guid), at }
}

export function failureOf(error: unknown): NonNullable<Told['failure']> {
  if (error instanceof FdoError) return { code: error.code, reason: error.message }
  return error instanceof Error ? { reason: error.message } : {}
}
