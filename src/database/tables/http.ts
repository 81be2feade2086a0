/** Requests that must not be carried out twice. */
import type { Bytes } from '../../../protocol/bytes.ts'

/** A request that came with an Idempotency-Key. */
export interface IdempotencyTable {
  /** Who asked, party and caller: keys of others are none of theirs. See callerOf. */
  principal: string
  key: string
  party: string
  /** SHA-256 of what makes it the same request, hex. */
  request_hash: string
  /** `effected` is written in the transaction of the request's effect, `done` with the answer. */
  state: 'begun' | 'effected' | 'done'
  /** Which attempt carries it out: one that another has taken over can have no effect. */
  runner: string
  lease_until: string
  status: number | null
  content_type: string | null
  /** The body of the answer, sealed under the master key. */
  answer: Bytes | null
  expires_at: string
}
