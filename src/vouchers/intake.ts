/** A verified voucher becomes a party's: it was sent here, or sold by another party of this service. */
import type { Executor } from '../database/connection.ts'
import { type Admission, type GenuineVoucher, admit, isRefusal } from './admission.ts'
import type { VoucherLedger } from './ledger.ts'
import * as store from './store.ts'

/** In the transaction that makes it so; a refusal changes nothing. */
export async function takeIn(
  ledger: VoucherLedger,
  tx: Executor,
  { party, voucher, guid, deviceId }: GenuineVoucher,
  { by, serial = null }: { readonly by: string; readonly serial?: string | null },
): Promise<Admission> {
  const ours = await store.findVoucher.first(tx, { party, guid })
  const admission = admit(voucher, deviceId, ours)
  if (admission === 'same' || isRefusal(admission)) return admission
  await ledger.displaceOthers(tx, deviceId, guid)
  const how = { party, device_id: deviceId, origin: 'imported', state: 'held' } as const
  const row = ledger.rowOf(voucher, how)
  if (admission === 'new') await store.insertVoucher.run(tx, row)
  else await store.storeKnown.run(tx, { ...row, at: row.updated_at })
  const { device_info: model } = row
  await ledger.devices.owned(tx, { id: deviceId, party, guid, model, serial })
  await ledger.held(tx, { party, guid, voucher })
  await ledger.record(tx, { ...entryOf(row), type: 'voucher-imported', by })
  return admission
}

/** What the audit log says of a voucher as it stands. */
export function entryOf(row: {
  readonly party: string
  readonly guid: string
  readonly device_id: string
  readonly entries: number
  readonly owner_key: string
}) {
  const { party, guid, device_id: device, entries, owner_key } = row
  return { party, subject: { guid, device }, detail: { entries, owner_key } }
}
