/** Entries that have been committed, and wait for their places in the log. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { AuditPendingTable } from '../../database/tables/audit.ts'
import { type EntryDraft, draftOf, saidIn } from '../store.ts'

const insert = statement((db, row: Omit<AuditPendingTable, 'id'>) =>
  db.insertInto('audit_pending').values({
    party: row.party,
    at: row.at,
    type: row.type,
    by: row.by,
    guid: row.guid,
    device_id: row.device_id,
    subject_id: row.subject_id,
    detail: row.detail,
  }),
)

const pendingOf = statement((db, p: { party: string; limit: number }) =>
  db
    .selectFrom('audit_pending')
    .selectAll()
    .where('party', '=', p.party)
    .orderBy('id')
    .limit(p.limit),
)

const nextPendingParty = statement((db, p: { after: string }) =>
  db
    .selectFrom('audit_pending')
    .select('party')
    .where('party', '>', p.after)
    .orderBy('party')
    .limit(1),
)

export async function addPending(tx: Executor, draft: EntryDraft): Promise<void> {
  await insert.run(tx, saidIn(draft))
}

/** Takes the oldest of what is pending for this party. */
export async function takePending(
  tx: Executor,
  party: string,
  limit: number,
): Promise<EntryDraft[]> {
  const rows = await pendingOf.all(tx, { party, limit })
  const ids = rows.map(({ id }) => id)
  // By their ids: what is committed meanwhile may have a lower one.
  if (ids.length > 0) await tx.deleteFrom('audit_pending').where('id', 'in', ids).execute()
  return rows.map(({ id: _, ...row }) => draftOf(row))
}

/** The first after this one for which something is pending. */
export async function findPendingParty(db: Executor, after: string): Promise<string | undefined> {
  return (await nextPendingParty.first(db, { after }))?.party
}

export async function isPending(db: Executor, party: string): Promise<boolean> {
  return (await pendingOf.first(db, { party, limit: 1 })) !== undefined
}
