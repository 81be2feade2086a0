/**
 * Which registration may take the place of which: only that of the same Owner, or of one the
 * Device was sold on to. A former owner holds a voucher that verifies, and a key that signs.
 */
import { type Bytes, equalBytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'

/** What is compared; see To0RendezvousEffect. */
export interface RegistrationRank {
  readonly to1d: Bytes
  /** DER SubjectPublicKeyInfo of the Owner. */
  readonly ownerKey: Bytes
  readonly entryHashes: readonly Bytes[]
  readonly order: number
}

export interface StoredRank extends RegistrationRank {
  /** A lapsed one is replaced by anybody's, yet still not by one older than itself. */
  readonly lapsed: boolean
}

/**
 * The entry hashes to store with `offered`, or undefined where it is the very registration that is
 * stored, and nothing is to change. Throws an FdoError where it may not take that place.
 */
export function replaces(
  stored: StoredRank,
  offered: RegistrationRank,
): readonly Bytes[] | undefined {
  if (offered.order === stored.order && equalBytes(offered.to1d, stored.to1d)) return undefined
  if (offered.order <= stored.order) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO0.OwnerSign: older than what is registered')
  }
  if (stored.lapsed) return offered.entryHashes
  if (beginsWith(offered.entryHashes, stored.entryHashes)) return offered.entryHashes
  if (!equalBytes(offered.ownerKey, stored.ownerKey)) {
    throw new FdoError('INVALID_OWNERSHIP_VOUCHER', 'not sold on by the owner registered')
  }
  // The same owner with less of its voucher: forgetting the rest would let in those it names.
  return beginsWith(stored.entryHashes, offered.entryHashes)
    ? stored.entryHashes
    : offered.entryHashes
}

function beginsWith(longer: readonly Bytes[], shorter: readonly Bytes[]): boolean {
  const last = shorter.at(-1)
  const other = longer[shorter.length - 1]
  // An entry holds the hash of the one before: where the last agrees, so do all.
  return last !== undefined && other !== undefined && equalBytes(last, other)
}
