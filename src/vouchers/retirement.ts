/** A device is taken out of service: lost, broken, or at the end of its life. */
import type { Executor } from '../database/connection.ts'
import { deleteVoucher } from './deletion/store.ts'
import type { VoucherLedger } from './ledger.ts'
import { findOfDevice } from './store.ts'

export interface PartyDevice {
  readonly id: string
  readonly party: string
  readonly guid: string
}

/**
 * Nothing it has counts here any more: neither its credentials nor its vouchers, which can be
 * restored for a while as any that is deleted. The GUIDs of those; undefined where it is out of
 * service already, and nothing is changed.
 */
export async function retire(
  ledger: VoucherLedger,
  tx: Executor,
  device: PartyDevice & { readonly by: string },
): Promise<readonly string[] | undefined> {
  const { id, party, guid, by } = device
  if (!(await ledger.devices.retired(tx, id))) return undefined
  const subject = { guid, device: id }
  await ledger.record(tx, { party, type: 'device-retired', by, subject })
  await ledger.revoke(tx, device, 'retired')
  const deleted: string[] = []
  for (const voucher of await findOfDevice.all(tx, { deviceId: id })) {
    // Of one that was sold it tells who has it.
    if (voucher.state === 'handed-over') continue
    const named = { party, guid: voucher.guid }
    await deleteVoucher.first(tx, { ...named, at: ledger.now() })
    await ledger.released(tx, named)
    const about = { guid: voucher.guid, device: id }
    await ledger.record(tx, { party, type: 'voucher-deleted', by, subject: about })
    deleted.push(voucher.guid)
  }
  return deleted
}
