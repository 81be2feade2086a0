/** That a voucher has changed hands: the receipt for it and, with it, the entry in the party's log. */
import type { AuditLog } from '../../audit/log.ts'
import type { Executor } from '../../database/connection.ts'
import type { VoucherPort } from '../ports.ts'
import { hashOf } from '../secret.ts'
import { type ReceiptRow, addReceipt } from './store.ts'

export interface RecordServices {
  readonly audit: Pick<AuditLog, 'append'>
  readonly vouchers: Pick<VoucherPort, 'findDevice'>
}

/**
 * `voucher-received`: taken in, and signed for. `voucher-delivered`: a partner took our push.
 * `receipt-received`: whoever fetched it has signed for it.
 */
export type Passage = 'voucher-received' | 'voucher-delivered' | 'receipt-received'

/** Once for each voucher and direction, however often it is sent or signed for. */
export async function recordPassage(
  { audit, vouchers }: RecordServices,
  tx: Executor,
  row: ReceiptRow,
  { type, by }: { readonly type: Passage; readonly by: string },
): Promise<void> {
  if ((await addReceipt.run(tx, row)) === 0) return
  const { party, guid, voucher_hash, peer, receipt } = row
  const device = await vouchers.findDevice(tx, { party, guid })
  await audit.append(tx, {
    ...{ party, type, by, subject: { guid, ...(device !== undefined && { device }) } },
    detail: { peer, voucher_hash, receipt_hash: receipt && hashOf(receipt) },
  })
}
