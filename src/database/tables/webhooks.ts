/** Who is told of what happens. */
import type { Bytes } from '../../../protocol/bytes.ts'

/** An address that hears of the entries of its party's log, in their order. */
export interface WebhookTable {
  id: string
  party: string
  url: string
  /** Of which entries: types, or beginnings of them before a `*`; separated by spaces. */
  types: string
  /** 32 bytes, sealed under the master key. */
  secret: Bytes
  state: 'active' | 'disabled'
  /** The last entry it has heard of, or has no interest in. */
  cursor: number
  /** Moves on with every change that is not a delivery: what was under way then counts no more. */
  revision: number
  /** Failures in a row, since when, and what the last one was. */
  attempts: number
  failing_since: string | null
  last_error: string | null
  next_at: string
  last_delivered_at: string | null
  created_at: string
}
