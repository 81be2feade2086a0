/**
 * One entry of the audit log, and the bytes its hash is over. Whoever has the entries can check them
 * without us, with any CBOR library that encodes deterministically (RFC 8949, section 4.2.1):
 *
 *     hash     = SHA-256(CBOR(["firstlight-audit-1", party, seq, at, type, by, subject, detail, previous]))
 *     previous = the hash of the entry before; of the first SHA-256(CBOR(["firstlight-audit-1", party]))
 *
 * `party`, `at`, `type` and `by` are text, `seq` an unsigned integer, `subject` a map of text to text
 * without what it does not name, `detail` what is there in JSON (maps with text keys, integers, text,
 * booleans, null) or null, `previous` 32 bytes. So each entry stands for all that came before it, and
 * no two parties have a hash in common.
 */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { type CborValue, encode } from '../../protocol/cbor/cbor.ts'

/** What an entry is about. */
export interface Subject {
  readonly guid?: string
  /** The device's own id, which outlives its GUIDs. */
  readonly device?: string
  /** Anything else that has an id: a key, a token, a party, a witness. */
  readonly id?: string
}

export type DetailValue = string | number | boolean | null | readonly DetailValue[] | Detail
/** Small, and without fractions: those have no single encoding. */
export interface Detail {
  readonly [name: string]: DetailValue
}

export interface EntryContent {
  readonly party: string
  /** From 1 on, without gaps, for each party by itself. */
  readonly seq: number
  /** ISO 8601, UTC. A clock may be wrong; the order is that of `seq`. */
  readonly at: string
  readonly type: string
  /** The principal's id, or `system`, or `device`. */
  readonly by: string
  readonly subject: Subject
  readonly detail: Detail | null
  /** The hash of the entry before. */
  readonly previous: Bytes
}

export interface AuditEntry extends EntryContent {
  readonly hash: Bytes
}

export const HASH_BYTES = 32
const FORMAT = 'firstlight-audit-1'

/** What the first entry of a party has in the place of a hash before it. */
export function beginningOf(party: string): Bytes {
  return sha256(encode([FORMAT, party]))
}

export function hashOf(entry: EntryContent): Bytes {
  return sha256(bytesOf(entry))
}

/** Throws a TypeError for a detail that holds a number with a fraction. */
export function bytesOf(entry: EntryContent): Bytes {
  const { party, seq, at, type, by, subject, detail, previous } = entry
  const about = toCbor(subject as Detail)
  return encode([FORMAT, party, seq, at, type, by, about, toCbor(detail), previous])
}

function toCbor(value: DetailValue): CborValue {
  if (typeof value !== 'object' || value === null) return value
  if (isList(value)) return value.map(toCbor)
  const map = new Map<string, CborValue>()
  for (const name of Object.keys(value)) {
    const member = value[name]
    if (member !== undefined) map.set(name, toCbor(member))
  }
  return map
}

function isList(value: readonly DetailValue[] | Detail): value is readonly DetailValue[] {
  return Array.isArray(value)
}

function sha256(bytes: Bytes): Bytes {
  return hash('sha256', bytes, 'buffer')
}
