/** Conversations between one message and the next. */
import type { Generated } from 'kysely'
import type { Bytes } from '../../../protocol/bytes.ts'

/** A DI or TO2 run (from message 64 on). Cleared at its end, so that it is its own tombstone. */
export interface SessionTable {
  /** SHA-256 of the run id, hex. */
  run_id_hash: string
  /** The number of the message that begins the role's protocol. */
  role: number
  /** The packed state, sealed under a sealing key; null once the run has ended. */
  state: Bytes | null
  /** How many messages it has answered; every answer moves it on by compare-and-set. */
  version: number
  /** SHA-256 of the message answered last, its number included. */
  request_hash: Bytes
  /** What it was answered with, for a repeat; null after an error. */
  reply: Bytes | null
  reply_type: number | null
  /** When the run's first message came. */
  started_at: string
  /** Answered with `reply` for five minutes more, then only a tombstone. */
  ended_at: string | null
  expires_at: string
}

/** The keys that seal what travels in tokens, and the state of rows. Only the last two exist. */
export interface SealingKeyTable {
  id: Generated<number>
  /** 32 bytes, sealed under the master key. */
  wrapped: Bytes
  created_at: string
}
