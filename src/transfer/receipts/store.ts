/** Which vouchers have changed hands, with whom, and the receipts for it. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { TransferReceiptTable } from '../../database/tables/transfer.ts'

export type ReceiptRow = TransferReceiptTable

type ReceiptName = Pick<ReceiptRow, 'party' | 'direction' | 'guid' | 'voucher_hash'>

export const findReceipt = statement((db, p: ReceiptName) =>
  db
    .selectFrom('transfer_receipt')
    .selectAll()
    .where('party', '=', p.party)
    .where('direction', '=', p.direction)
    .where('guid', '=', p.guid)
    .where('voucher_hash', '=', p.voucher_hash),
)

/** The first one stays: it is what the other side was told. */
export const addReceipt = statement((db, row: ReceiptRow) =>
  db
    .insertInto('transfer_receipt')
    .values({
      party: row.party,
      direction: row.direction,
      guid: row.guid,
      voucher_hash: row.voucher_hash,
      peer: row.peer,
      at: row.at,
      receipt: row.receipt,
    })
    .onConflict((conflict) =>
      conflict.columns(['party', 'direction', 'guid', 'voucher_hash']).doNothing(),
    ),
)

/** All of one voucher, oldest first. */
export function listReceipts(db: Executor, party: string, guid: string): Promise<ReceiptRow[]> {
  return db
    .selectFrom('transfer_receipt')
    .selectAll()
    .where('party', '=', party)
    .where('guid', '=', guid)
    .orderBy('at')
    .limit(500)
    .execute()
}
