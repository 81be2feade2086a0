/** What vouchers have to tell about their devices; src/devices keeps the book. */
import type { Executor } from '../database/connection.ts'

export interface DeviceFacts {
  readonly id: string
  readonly party: string
  readonly guid: string
  readonly model: string
  /** Null where only the voucher is known. */
  readonly serial: string | null
}

/** All of it in the transaction that changes the voucher. */
export interface DeviceBook {
  /** It went through DI here. `owned`: it belongs to this service already. */
  made(tx: Executor, device: DeviceFacts & { readonly owned: boolean }): Promise<void>
  /** It became ours by a voucher from elsewhere, or once more by one of our own. */
  owned(tx: Executor, device: DeviceFacts): Promise<void>
  /** TO2 is done; without a new GUID the credential was reused. */
  onboarded(
    tx: Executor,
    device: { readonly id: string; readonly guid: string; readonly newGuid: string | null },
  ): Promise<void>
  /** It is somebody else's, by the key `to`. */
  handedOver(
    tx: Executor,
    device: { readonly id: string; readonly guid: string; readonly to: string },
  ): Promise<void>
  /** It is out of service; false where it was, or is somebody else's. */
  retired(tx: Executor, id: string): Promise<boolean>
  /** A voucher of one that may have been out of service can be used again. */
  restored(tx: Executor, device: { readonly id: string; readonly owned: boolean }): Promise<void>
  /** Something that changes no state. */
  note(tx: Executor, id: string, type: string, detail: object): Promise<void>
}
