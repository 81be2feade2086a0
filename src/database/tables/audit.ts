/** The logs, and who outside has seen how far they went. */
import type { Generated } from 'kysely'
import type { Bytes } from '../../../protocol/bytes.ts'

/** What happened, for each party a chain of its own: see audit/entry.ts. Never changed or removed. */
export interface AuditEntryTable {
  party: string
  /** From 1, without gaps. */
  seq: number
  at: string
  type: string
  /** Who did it: the id of a principal, `system` or `device`. */
  by: string
  guid: string | null
  device_id: string | null
  /** The id of anything else it is about. */
  subject_id: string | null
  /** A JSON document. */
  detail: string | null
  /** SHA-256, 32 bytes: of the entry before, and its own. */
  previous: Bytes
  hash: Bytes
}

/**
 * What happened and has no place in its party's chain yet: on PostgreSQL, where many write at once.
 * What is there has been committed; it gets its place before anybody reads the log.
 */
export interface AuditPendingTable extends Omit<AuditEntryTable, 'seq' | 'previous' | 'hash'> {
  id: Generated<number>
}

/** Who outside the installation may countersign heads of a party's log. */
export interface AuditWitnessTable {
  party: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  fingerprint: string
  name: string
  /** DER SubjectPublicKeyInfo. */
  spki: Bytes
  created_at: string
}

/** A head as a witness has signed it. Never changed or removed. */
export interface AuditCountersignatureTable {
  party: string
  /** Of the entry that was the last. */
  seq: number
  /** Fingerprint of the key that signed. */
  witness: string
  /** COSE_Sign1: see audit/head.ts. */
  signed: Bytes
  witnessed_at: string
  created_at: string
}
