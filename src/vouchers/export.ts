/** Many vouchers given away at once, read page by page while they are sent. */
import type { NamedVoucher } from '../bundles/write.ts'
import { Problem } from '../http/problem.ts'
import type { VoucherDesk } from './desk.ts'
import type { VoucherFilter, VoucherPosition } from './store.ts'

const PAGE = 200

/** Those that fit the filter, in the order in which they are listed; each is marked as one that was fetched. */
export async function* exportAll(
  desk: Pick<VoucherDesk, 'list' | 'export'>,
  filter: Omit<VoucherFilter, 'limit' | 'after'>,
): AsyncGenerator<NamedVoucher> {
  let after: VoucherPosition | undefined
  for (;;) {
    const rows = await desk.list({ ...filter, after, limit: PAGE })
    for (const { guid } of rows) {
      const voucher = await exportOne(desk, filter.party, guid)
      if (voucher) yield voucher
    }
    after = rows.at(-1)
    if (after === undefined) return
  }
}

/** Undefined for one that has been deleted since the page was read. */
async function exportOne(
  desk: Pick<VoucherDesk, 'export'>,
  party: string,
  guid: string,
): Promise<NamedVoucher | undefined> {
  try {
    const { cbor, updated_at } = await desk.export(party, guid)
    return { guid, cbor, modified: new Date(updated_at) }
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return undefined
    throw error
  }
}
