/** On PostgreSQL, the bytes of files: on SQLite they are below the data directory, which one machine has. */
import type { Bytes } from '../../../protocol/bytes.ts'

/** A file that plans send. */
export interface ContentTable {
  /** The party it belongs to; `lent` for one that was made for one device. */
  place: string
  /** Of its bytes, hex. */
  sha384: string
  length: number
  /** Of one that is lent: when it was last. */
  kept_at: string
}

export interface ContentPieceTable {
  place: string
  sha384: string
  /** From 0 on; all but the last have the same length. */
  number: number
  bytes: Bytes
}

/** What came with one message of a run: see UploadTable. */
export interface UploadPieceTable {
  device_id: string
  run_id: string
  name: string
  offset: number
  bytes: Bytes
}
