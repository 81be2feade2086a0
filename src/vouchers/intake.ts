/** A verified voucher becomes a party's: it was sent here, or sold by another party of this service. */
import type { Executor } from '../database/connection.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import {
  type Admission,
  type GenuineVoucher,
  type Refusal,
  admit,
  admitBeside,
  admitInPlaceOf,
  isContinuedBy,
  isRefusal,
  ownerKeyNotOurs,
} from './admission.ts'
import type { PartyVoucher, VoucherLedger } from './ledger.ts'
import * as store from './store.ts'

export interface Bringer {
  readonly by: string
  /** Whether the party itself brings it, and may replace what it has of the device. */
  readonly from: 'self' | 'other'
  readonly serial?: string | null
}

/** Thrown where a refusal has to undo what was done before it. */
export class IntakeRefused extends Error {
  override readonly name = 'IntakeRefused'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(`a new voucher is refused: ${refusal.detail}`)
    this.refusal = refusal
  }
}

/** In the transaction that makes it so; a refusal changes nothing. */
export async function takeIn(
  ledger: VoucherLedger,
  tx: Executor,
  { party, voucher, guid, deviceId, entryStyle: entry_style }: GenuineVoucher,
  { by, from, serial = null }: Bringer,
): Promise<Admission> {
  const ours = await store.findVoucher.first(tx, { party, guid })
  const admission = admit(voucher, deviceId, ours)
  if (admission === 'same' || isRefusal(admission)) return admission
  const refusal =
    (await refusedElsewhere(tx, { party, guid, voucher })) ??
    (from === 'self' ? undefined : await refusedForDevice(ledger, tx, { deviceId, guid, voucher }))
  if (refusal) return refusal
  const how = { party, device_id: deviceId, origin: 'imported', state: 'held' } as const
  const row = ledger.rowOf(voucher, { ...how, entry_style })
  // It was when the signatures were looked at. A key that is removed leaves no voucher behind.
  if (!(await ledger.services.hasOwnerKey(tx, row))) return ownerKeyNotOurs()
  await ledger.displaceOthers(tx, deviceId, guid)
  if (admission === 'new') await store.insertVoucher.run(tx, row)
  else await store.storeKnown.run(tx, { ...row, at: row.updated_at })
  const { device_info: model } = row
  await ledger.devices.owned(tx, { id: deviceId, party, guid, model, serial })
  await ledger.held(tx, { party, guid, voucher })
  await ledger.record(tx, { ...entryOf(row), type: 'voucher-imported', by })
  return admission
}

/** By what other parties of this installation have of the same GUID, or had; see admitBeside. */
export async function refusedElsewhere(
  tx: Executor,
  { voucher, ...named }: PartyVoucher & { readonly voucher: Voucher },
): Promise<Refusal | undefined> {
  for (const row of await store.listElsewhere.all(tx, named)) {
    const refusal = admitBeside(voucher, row)
    if (refusal) return refusal
  }
  return undefined
}

/** Whether all that other parties of this installation have of the GUID came of this very voucher. */
export async function isFurtherElsewhere(
  ledger: VoucherLedger,
  tx: Executor,
  { party, guid, voucher }: PartyVoucher & { readonly voucher: Voucher },
): Promise<boolean> {
  const rows = await store.listElsewhere.all(tx, { party, guid })
  return (
    rows.length > 0 && rows.every(({ cbor }) => isContinuedBy(voucher, ledger.parse(guid, cbor)))
  )
}

async function refusedForDevice(
  ledger: VoucherLedger,
  tx: Executor,
  { deviceId, guid, voucher }: Pick<GenuineVoucher, 'deviceId' | 'guid' | 'voucher'>,
): Promise<Refusal | undefined> {
  for (const earlier of await store.findOfDevice.all(tx, { deviceId })) {
    if (earlier.guid === guid || earlier.state === 'handed-over') continue
    const row = await store.findVoucher.first(tx, earlier)
    const refusal = row && admitInPlaceOf(voucher, ledger.parse(row.guid, row.cbor))
    if (refusal) return refusal
  }
  return undefined
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
