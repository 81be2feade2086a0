/** What our certificate authorities have issued. */
import type { Bytes } from '../../../protocol/bytes.ts'

/** Every certificate issued here; its row is there before the signature is. */
export interface CertificateTable {
  /** Hexadecimal, without leading zeros. */
  serial: string
  /** Whose the device is; of what names no device here, the installation itself. */
  party: string
  profile: string
  /** Whom it names, or whose birth certificate it is. */
  device_id: string | null
  /** The TO2 run that brings it to the device. */
  run_id: string | null
  /** `pending` until TO2 is done, and worthless before. */
  status: 'pending' | 'active' | 'superseded' | 'revoked'
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  spki_hash: string
  not_before: string
  not_after: string
  /** DER. */
  der: Bytes
  created_at: string
  status_at: string
  /** Of one that is revoked, at `status_at`: see pki/revocation. */
  revocation_reason: string | null
}

/** The list of certificates that are over before their end, as it was signed last. */
export interface RevocationListTable {
  /** The profile of who signs it. There is a row for `issuing-ca`, from the start. */
  authority: string
  /** SHA-256 of the SubjectPublicKeyInfo it was signed with, hex; null before there is any. */
  key: string | null
  /** 0 before there is any. */
  number: number
  /** A CertificateList of RFC 5280, DER. */
  der: Bytes | null
  this_update: string | null
  /** Moves on with whatever has to be on the list. */
  changes: number
  /** What `changes` was when the list was made: it holds nothing that came later. */
  made_from: number
}
