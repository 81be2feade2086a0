/** Entries of the audit log, witnesses, and heads they have signed. Nothing here changes an entry. */
import { sql } from 'kysely'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type {
  AuditCountersignatureTable,
  AuditEntryTable,
  AuditWitnessTable,
} from '../database/tables/audit.ts'
import type { AuditEntry, Detail, EntryContent } from './entry.ts'
import type { Head } from './head.ts'

export type WitnessRow = AuditWitnessTable
export type CountersignatureRow = AuditCountersignatureTable

/**
 * In SQLite a transaction that writes is the only one, so that a head read inside it is the head it
 * is committed behind. On PostgreSQL whoever appends has the party's turn: see settle.ts. Without it
 * the primary key would still let only one of two appenders commit.
 */
const lastOf = statement((db, p: { party: string }) =>
  db
    .selectFrom('audit_entry')
    .select(['party', 'seq', 'hash', 'at'])
    .where('party', '=', p.party)
    .orderBy('seq', 'desc')
    .limit(1),
)

const add = statement((db, row: AuditEntryTable) =>
  db.insertInto('audit_entry').values({
    party: row.party,
    seq: row.seq,
    at: row.at,
    type: row.type,
    by: row.by,
    guid: row.guid,
    device_id: row.device_id,
    subject_id: row.subject_id,
    detail: row.detail,
    previous: row.previous,
    hash: row.hash,
  }),
)

const range = statement((db, p: { party: string; from: number; limit: number }) =>
  db
    .selectFrom('audit_entry')
    .selectAll()
    .where('party', '=', p.party)
    .where('seq', '>=', p.from)
    .orderBy('seq')
    .limit(p.limit),
)

export function findHead(db: Executor, party: string): Promise<Head | undefined> {
  return lastOf.first(db, { party })
}

export async function addEntry(tx: Executor, entry: AuditEntry): Promise<void> {
  const { seq, previous, hash } = entry
  await add.run(tx, { ...saidIn(entry), seq, previous, hash })
}

/** Has a place in the log, or will have. */
export type EntryDraft = Omit<EntryContent, 'seq' | 'previous'>

/** What of a row tells what happened. */
type SaidRow = Omit<AuditEntryTable, 'seq' | 'previous' | 'hash'>

/** Oldest first, from this number on. */
export async function entriesFrom(
  db: Executor,
  party: string,
  { from, limit }: { from: number; limit: number },
): Promise<AuditEntry[]> {
  return (await range.all(db, { party, from, limit })).map(entryOf)
}

/** The lowest number among entries from this time on; undefined where there are none. */
export async function firstSince(
  db: Executor,
  party: string,
  at: string,
): Promise<number | undefined> {
  const row = await db
    .selectFrom('audit_entry')
    .select((eb) => eb.fn.min<number | null>('seq').as('seq'))
    .where('party', '=', party)
    .where('at', '>=', at)
    .executeTakeFirst()
  return row?.seq ?? undefined
}

export interface EntryFilter {
  readonly guid?: string | undefined
  readonly device?: string | undefined
  readonly type?: string | undefined
  /** Times: from the first on, and before the second. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  /** Those older than this entry. */
  readonly before?: { readonly at: string; readonly seq: number } | undefined
  readonly limit: number
}

/**
 * Newest first by the clock, which is how the indexes have them. Of one voucher or device there are
 * few, found by an index of their own and sorted: those of times and types, which SQLite would take
 * because they are in order, have all the others' entries as well. An expression keeps it off them.
 */
export async function listEntries(
  db: Executor,
  party: string,
  { guid, device, type, since, until, before, limit }: EntryFilter,
): Promise<AuditEntry[]> {
  const isOfOne = guid !== undefined || device !== undefined
  let query = db
    .selectFrom('audit_entry')
    .selectAll()
    .where('party', '=', party)
    .orderBy(isOfOne ? sql<string>`at || ''` : 'at', 'desc')
    .orderBy('seq', 'desc')
    .limit(limit)
  if (guid !== undefined) query = query.where('guid', '=', guid)
  if (device !== undefined) query = query.where('device_id', '=', device)
  if (type !== undefined) query = query.where(isOfOne ? sql<string>`type || ''` : 'type', '=', type)
  if (since !== undefined) query = query.where('at', '>=', since)
  if (until !== undefined) query = query.where('at', '<', until)
  if (before) {
    const { at, seq } = before
    query = query
      .where('at', '<=', at)
      .where((eb) => eb.or([eb('at', '<', at), eb('seq', '<', seq)]))
  }
  return (await query.execute()).map(entryOf)
}

function entryOf({ seq, previous, hash, ...row }: AuditEntryTable): AuditEntry {
  return { ...draftOf(row), seq, previous, hash }
}

export function saidIn({ party, at, type, by, subject, detail }: EntryDraft): SaidRow {
  const { guid = null, device = null, id = null } = subject
  const about = { guid, device_id: device, subject_id: id }
  return { party, at, type, by, ...about, detail: detail && JSON.stringify(detail) }
}

export function draftOf(row: SaidRow): EntryDraft {
  const { party, at, type, by, guid, device_id, subject_id, detail } = row
  return {
    ...{ party, at, type, by },
    subject: {
      ...(guid !== null && { guid }),
      ...(device_id !== null && { device: device_id }),
      ...(subject_id !== null && { id: subject_id }),
    },
    detail: detail === null ? null : detailFrom(detail),
  }
}

/** What was written here. Whatever has become of it since, the walk is to name the entry it is in. */
function detailFrom(text: string): Detail {
  try {
    return JSON.parse(text) as Detail
  } catch {
    // No hash is over that.
    return { unreadable: true }
  }
}

const witnessColumns = ['party', 'fingerprint', 'name', 'spki', 'created_at'] as const

export function findWitness(
  db: Executor,
  party: string,
  fingerprint: string,
): Promise<WitnessRow | undefined> {
  return db
    .selectFrom('audit_witness')
    .select(witnessColumns)
    .where('party', '=', party)
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirst()
}

export function listWitnesses(
  db: Executor,
  party: string,
  { limit, after = '' }: { limit: number; after?: string | undefined },
): Promise<WitnessRow[]> {
  return db
    .selectFrom('audit_witness')
    .select(witnessColumns)
    .where('party', '=', party)
    .where('fingerprint', '>', after)
    .orderBy('fingerprint')
    .limit(limit)
    .execute()
}

export async function addWitness(tx: Executor, row: WitnessRow): Promise<void> {
  await tx.insertInto('audit_witness').values(row).execute()
}

/** False where there was none. */
export async function removeWitness(
  tx: Executor,
  party: string,
  fingerprint: string,
): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom('audit_witness')
    .where('party', '=', party)
    .where('fingerprint', '=', fingerprint)
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** One of this head by this witness that is there already stays. */
export async function addCountersignature(tx: Executor, row: CountersignatureRow): Promise<void> {
  await tx
    .insertInto('audit_countersignature')
    .values(row)
    .onConflict((conflict) => conflict.columns(['party', 'seq', 'witness']).doNothing())
    .execute()
}

/** Of heads in these bounds, both included; in their order. */
export function countersignaturesOf(
  db: Executor,
  party: string,
  { from, to }: { from: number; to?: number | undefined },
): Promise<CountersignatureRow[]> {
  let query = db
    .selectFrom('audit_countersignature')
    .select(['party', 'seq', 'witness', 'signed', 'witnessed_at', 'created_at'])
    .where('party', '=', party)
    .where('seq', '>=', from)
    .orderBy('seq')
    .orderBy('witness')
  if (to !== undefined) query = query.where('seq', '<=', to)
  return query.execute()
}

/** Newest first. */
export function listCountersignatures(
  db: Executor,
  party: string,
  { limit, before }: { limit: number; before?: CountersignaturePosition | undefined },
): Promise<CountersignatureRow[]> {
  let query = db
    .selectFrom('audit_countersignature')
    .select(['party', 'seq', 'witness', 'signed', 'witnessed_at', 'created_at'])
    .where('party', '=', party)
    .orderBy('seq', 'desc')
    .orderBy('witness', 'desc')
    .limit(limit)
  if (before) {
    const { seq, witness } = before
    query = query
      .where('seq', '<=', seq)
      .where((eb) => eb.or([eb('seq', '<', seq), eb('witness', '<', witness)]))
  }
  return query.execute()
}

export interface CountersignaturePosition {
  readonly seq: number
  readonly witness: string
}
