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
}
