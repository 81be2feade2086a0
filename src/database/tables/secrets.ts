/** What opens something, and what an administrator has set: keys, API tokens, settings. */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { KeyKind } from '../../../protocol/cose/algorithms.ts'

export interface PrivateKeyTable {
  id: string
  party: string
  purpose: string
  kind: KeyKind
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  fingerprint: string
  origin: 'made' | 'imported'
  /** DER SubjectPublicKeyInfo. */
  spki: Bytes
  /** PKCS#8, sealed under the master key. */
  wrapped: Bytes
  created_at: string
  /** Since when another is used in its place; it serves what was signed to it. */
  retired_at: string | null
}

export interface ApiTokenTable {
  id: string
  /** For whom it acts. */
  party: string
  name: string
  /** SHA-256 of the secret, hex. */
  hash: string
  /** Separated by spaces. */
  scopes: string
  created_at: string
  /** Null until somebody has shown it. */
  first_used_at: string | null
  expires_at: string | null
  revoked_at: string | null
}

/** Small things an administrator may change while running, one JSON document each. */
export interface SettingTable {
  party: string
  name: string
  value: string
  version: number
  updated_at: string
}
