/** /api/v1/transfer-receipts: proof that vouchers have changed hands. */
import { z } from '@hono/zod-openapi'
import { toBase64 } from '../../../protocol/bytes.ts'
import type { Database } from '../../database/open.ts'
import { type Route, route } from '../../http/route.ts'
import { type ReceiptRow, listReceipts } from './store.ts'

const TransferReceipt = z
  .object({
    direction: z.enum(['given', 'got']),
    guid: z.string(),
    voucher_hash: z.string(),
    peer: z.string(),
    at: z.string(),
    receipt: z
      .string()
      .nullable()
      .openapi({ description: 'base64 of a COSE_Sign1 by the key the voucher was sold to' }),
  })
  .openapi('TransferReceipt')

export function receiptRoutes({ db }: Pick<Database, 'db'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/transfer-receipts',
      summary: 'The receipts for a voucher: given by us, and got from whom we handed it to',
      permission: 'transfer:read',
      query: z.object({ guid: z.string().regex(/^[0-9a-f]{32}$/) }),
      result: z.object({ items: z.array(TransferReceipt) }),
      async handle({ query: { guid }, principal: { party } }) {
        return { items: (await listReceipts(db, party, guid)).map(viewOf) }
      },
    }),
  ]
}

function viewOf({ party: _, receipt, ...row }: ReceiptRow) {
  return { ...row, receipt: receipt && toBase64(receipt) }
}
