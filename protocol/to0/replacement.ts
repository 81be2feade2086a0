/**
 * Which registration may take the place of which: only that of the same Owner, or of one the
 * Device was sold on to. A former owner holds a voucher that verifies, and a key that signs. What
 * has been seen of a Device counts for good, whether its registration still stands or not.
 */
import { type Bytes, equalBytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'

/** What is compared; see To0RendezvousEffect. */
export interface OfferedRank {
  readonly to1d: Bytes
  /** The Owner's key, or a hash of it, as in StoredRank. */
  readonly ownerKey: Bytes
  readonly entryHashes: readonly Bytes[]
  readonly order: number
}

/** The longest chain of sales seen: an entry holds the hash of the one before, so its last says all. */
export interface LongestChain {
  readonly entries: number
  readonly lastEntryHash: Bytes
}

export interface StoredRank extends LongestChain {
  /** Null for one that has lapsed or was withdrawn. */
  readonly to1d: Bytes | null
  readonly ownerKey: Bytes
  readonly order: number
}

/** Somebody who has owned the Device, or was sold it by one who did, when it was no longer theirs. */
export class FormerOwnerError extends FdoError {
  readonly entries: number

  constructor(entries: number) {
    super('INVALID_OWNERSHIP_VOUCHER', 'not sold on by the owner who registered last')
    this.entries = entries
  }
}

/**
 * The chain to store with `offered`, or undefined where it is the very registration that is stored,
 * and nothing is to change. Throws an FdoError where it may not take that place.
 */
export function replaces(stored: StoredRank, offered: OfferedRank): LongestChain | undefined {
  const isSame = stored.to1d !== null && equalBytes(offered.to1d, stored.to1d)
  if (offered.order === stored.order && isSame) return undefined
  const { entryHashes, ownerKey } = offered
  const isContinued = continues(entryHashes, stored)
  // Sold on since, it was never here before: a buyer may have begun before the seller withdrew.
  const isNews = isContinued && entryHashes.length > stored.entries
  if (offered.order <= stored.order && !isNews) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO0.OwnerSign: older than what is registered')
  }
  if (isContinued) return chainOf(entryHashes)
  if (!equalBytes(ownerKey, stored.ownerKey)) throw new FormerOwnerError(entryHashes.length)
  // The same owner with less of its voucher: forgetting the rest would let in those it names.
  return entryHashes.length < stored.entries ? stored : chainOf(entryHashes)
}

export function chainOf(entryHashes: readonly Bytes[]): LongestChain {
  const lastEntryHash = entryHashes.at(-1)
  if (!lastEntryHash) throw new Error('a voucher without entries was let through')
  return { entries: entryHashes.length, lastEntryHash }
}

function continues(entryHashes: readonly Bytes[], { entries, lastEntryHash }: LongestChain) {
  const there = entryHashes[entries - 1]
  return there !== undefined && equalBytes(there, lastEntryHash)
}
