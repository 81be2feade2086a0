/** What others have registered with us, and who tried what is no longer theirs. */
import type { Bytes } from '../../../protocol/bytes.ts'

/**
 * What an owner left in TO0 for its Device to find in TO1; afterwards, the memory of it: whoever
 * registers next must have the Device from this owner, or be this owner.
 */
export interface RegistrationTable {
  guid: string
  /** COSE_Sign1 by the owner, as received; null once it has lapsed or was withdrawn. */
  to1d: Bytes | null
  /** DER SubjectPublicKeyInfo of the Device; null with `to1d`. */
  device_key: Bytes | null
  /** SHA-256 of the SubjectPublicKeyInfo of the owner. */
  owner_key: Bytes
  /** Of the longest voucher seen: how many, and the SHA-256 of the last. */
  entries: number
  last_entry_hash: Bytes
  /** When the run began that registered it, or it was withdrawn: an older one changes nothing. */
  run_order: number
  /** The time that its owner's last request to withdraw it names, in milliseconds. */
  withdrawal: number | null
  registered_at: string
  /** Null with `to1d`. */
  expires_at: string | null
}

/** Attempts by owners of old to register a Device once more, counted for each. */
export interface RegistrationAlarmTable {
  guid: string
  /** SHA-256 of the SubjectPublicKeyInfo of who tried; empty for all beyond the first few. */
  owner_key: Bytes
  times: number
  /** Of the voucher that was shown last. */
  entries: number
  /** The address it came from last. */
  source: string
  first_at: string
  last_at: string
}
