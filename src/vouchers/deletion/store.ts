/** Vouchers that are deleted, had back, or forgotten. */
import { sql } from 'kysely'
import { statement } from '../../database/statement.ts'
import type { VoucherState } from '../store.ts'

/** Written out, not bound: the index of these has no others. */
const DELETED = sql.lit<'deleted'>('deleted')

interface Deletion {
  readonly party: string
  readonly guid: string
  readonly at: string
}

export const deleteVoucher = statement((db, p: Deletion) =>
  db
    .updateTable('voucher')
    .set(({ ref, eb }) => ({
      state: 'deleted',
      deleted_from: ref('state'),
      revision: eb('revision', '+', 1),
      updated_at: p.at,
    }))
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('state', '!=', 'deleted')
    .returning('device_id'),
)

export const restoreVoucher = statement((db, p: Deletion & { readonly state: VoucherState }) =>
  db
    .updateTable('voucher')
    .set(({ eb }) => ({
      state: p.state,
      deleted_from: null,
      revision: eb('revision', '+', 1),
      updated_at: p.at,
    }))
    .where('guid', '=', p.guid)
    .where('party', '=', p.party)
    .where('state', '=', 'deleted'),
)

const MOST_FORGOTTEN = 500

/** Deleted so long ago that nobody will want them back; some at a time. */
export const forgetDeleted = statement((db, p: { before: string }) =>
  db
    .deleteFrom('voucher')
    .where('device_id', 'in', (eb) =>
      eb
        .selectFrom('voucher')
        .select('device_id')
        .where('state', '=', DELETED)
        .where('updated_at', '<', p.before)
        .limit(MOST_FORGOTTEN),
    )
    .where('state', '=', DELETED)
    .where('updated_at', '<', p.before),
)
