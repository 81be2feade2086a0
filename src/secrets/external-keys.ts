/** Private keys that are held elsewhere: this service can have them sign, and never sees them. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'

export interface ExternalKey {
  /** The same for the same key, after a restart and in another instance. */
  readonly id: string
  /** What whoever made it called it. */
  readonly label: string
  readonly kind: KeyKind
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly fingerprint: string
  readonly spki: Bytes
}

export interface ExternalKeys {
  list(): readonly ExternalKey[]
  /** Throws where there is no such key, or it may not use the algorithm. */
  signer(id: string, algorithm?: SignatureAlgorithm): Signer
  /** Signs nothing after that. */
  stop(): Promise<void>
}
