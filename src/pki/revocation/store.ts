/** Certificates that are over before their end, and the list that tells of them. */
import { sql } from 'kysely'
import { statement } from '../../database/statement.ts'
import type { RevocationListTable } from '../../database/tables/pki.ts'

export type ListRow = RevocationListTable

/** Written out, not bound: each stands in an index of some rows only. */
const CREDENTIAL = sql.lit<'ldevid'>('ldevid')
const OVER = [sql.lit<'revoked'>('revoked'), sql.lit<'superseded'>('superseded')]

/** Whatever a device has that is in force, or would come into force. */
export const revoke = statement((db, p: { deviceId: string; reason: string; at: string }) =>
  db
    .updateTable('certificate')
    .set({ status: 'revoked', revocation_reason: p.reason, status_at: p.at })
    .where('device_id', '=', p.deviceId)
    .where('profile', '=', CREDENTIAL)
    .where('status', 'in', ['active', 'pending'])
    .returning('serial'),
)

/** The list has to be made anew; whoever is making it now will see that it was too early. */
export const noteChange = statement((db, _: object) =>
  db.updateTable('revocation_list').set(({ eb }) => ({ changes: eb('changes', '+', 1) })),
)

export const findList = statement((db, p: { authority: string }) =>
  db.selectFrom('revocation_list').selectAll().where('authority', '=', p.authority),
)

/** What has not ended by itself before `since`. */
export const listOver = statement((db, p: { since: string }) =>
  db
    .selectFrom('certificate')
    .select(['serial', 'status', 'status_at', 'revocation_reason'])
    .where('status', 'in', OVER)
    .where('not_after', '>', p.since),
)

type Made = Omit<ListRow, 'changes'>

/** Nothing happens where another has made this number. */
export const putList = statement((db, p: Made & { readonly before: number }) =>
  db
    .updateTable('revocation_list')
    .set({
      key: p.key,
      number: p.number,
      der: p.der,
      this_update: p.this_update,
      made_from: p.made_from,
    })
    .where('authority', '=', p.authority)
    .where('number', '=', p.before),
)
