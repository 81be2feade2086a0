/** What may be known of a private key. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'

export const ALL_KINDS: readonly KeyKind[] = ['p256', 'p384', 'rsa2048', 'rsa3072']

export interface KeyInfo {
  readonly id: string
  readonly party: string
  readonly purpose: string
  readonly kind: KeyKind
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly fingerprint: string
  readonly spki: Bytes
  /** Made here, brought here, or held in a token elsewhere. */
  readonly origin: 'made' | 'imported' | 'token'
  readonly createdAt: string
  /** Since when another is used in its place. */
  readonly retiredAt: string | null
}

/** What a party needs a key for, and of which kind. */
export type KeySlot = Pick<KeyInfo, 'party' | 'purpose' | 'kind'>
