/** Vouchers: those we hold, and those that went on. */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { EntryStyle } from '../../../protocol/voucher/verify.ts'

export interface VoucherTable {
  /** 32 hexadecimal digits, here and everywhere. */
  guid: string
  /** Whose it is, or was: each party has its own of a device that went from one to the other. */
  party: string
  /** With the GUID it names a row: no two parties call a device the same. */
  device_id: string
  /** OVDeviceInfo: the model, mostly. */
  device_info: string
  /** SHA-256 of the SubjectPublicKeyInfo of the last owner, hex. */
  owner_key: string
  /**
   * `held`: ours, to serve once it has an entry. `handed-over`: sold to another party.
   * `replaced`: TO2 is done; served to a Device that did not hear so. `used`: nor will it any more.
   * `superseded`: its Device got another by DI or import. `left`: the same, but its Device had been
   * onboarded. None but the first three changes any more; they tell an old voucher from a new one.
   * `deleted`: can be had back for a while.
   */
  state: 'held' | 'handed-over' | 'replaced' | 'used' | 'superseded' | 'left' | 'deleted'
  /** The state of one that is deleted, before it was. */
  deleted_from: string | null
  origin: 'made' | 'imported' | 'onboarded'
  entries: number
  /** How they are signed, and those of its replacement will be: see protocol/voucher/verify.ts. */
  entry_style: EntryStyle
  /** Moves on with every TO2 that ends: of two that run at once the first wins. */
  revision: number
  /** The GUID of the voucher that took its place. */
  superseded_by: string | null
  /** When a voucher that is handed over was first fetched. */
  exported_at: string | null
  /** The whole voucher, CBOR. */
  cbor: Bytes
  created_at: string
  updated_at: string
}
