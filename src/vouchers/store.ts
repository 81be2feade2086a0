/** The Ownership Vouchers this service holds, sold and has held. */
import { sql } from 'kysely'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { VoucherTable } from '../database/tables/vouchers.ts'

export type VoucherRow = VoucherTable
export type VoucherState = VoucherRow['state']

/** Written out, not bound: each has an index of its own rows only. */
const REPLACED = sql.lit<'replaced'>('replaced')

export const insertVoucher = statement((db, row: VoucherRow) =>
  db.insertInto('voucher').values({
    guid: row.guid,
    party: row.party,
    device_id: row.device_id,
    device_info: row.device_info,
    owner_key: row.owner_key,
    state: row.state,
    origin: row.origin,
    entries: row.entries,
    entry_style: row.entry_style,
    revision: row.revision,
    superseded_by: row.superseded_by,
    exported_at: row.exported_at,
    deleted_from: row.deleted_from,
    created_at: row.created_at,
    updated_at: row.updated_at,
    cbor: row.cbor,
  }),
)

export const findVoucher = statement((db, p: { party: string; guid: string }) =>
  db.selectFrom('voucher').selectAll().where('guid', '=', p.guid).where('party', '=', p.party),
)

/** What other parties of this installation have, or had, under a GUID. */
export const listElsewhere = statement((db, p: { party: string; guid: string }) =>
  db
    .selectFrom('voucher')
    .select(['state', 'deleted_from', 'cbor'])
    .where('guid', '=', p.guid)
    .where('party', '!=', p.party),
)

const SERVABLE_COLUMNS = ['party', 'device_id', 'state', 'revision', 'created_at'] as const

/**
 * What TO2 and TO0 may use, without the voucher itself, which costs more than all the rest: see
 * VoucherTable.state. The last owner comes first.
 */
export const listServable = statement((db, p: { guid: string }) =>
  db
    .selectFrom('voucher')
    .select(SERVABLE_COLUMNS)
    .where('guid', '=', p.guid)
    .where('state', 'in', ['held', 'replaced'])
    .where('entries', '>', 0)
    .orderBy('entries', 'desc')
    .orderBy('created_at'),
)

export const findBytes = statement((db, p: { party: string; guid: string }) =>
  db
    .selectFrom('voucher')
    .select(['party', 'revision', 'created_at', 'cbor'])
    .where('guid', '=', p.guid)
    .where('party', '=', p.party),
)

export const findDeviceOf = statement((db, p: { party: string; guid: string }) =>
  db
    .selectFrom('voucher')
    .select('device_id')
    .where('guid', '=', p.guid)
    .where('party', '=', p.party),
)

/** The vouchers of a device that another of the same device affects. */
export const findOfDevice = statement((db, p: { deviceId: string }) =>
  db
    .selectFrom('voucher')
    .select(['guid', 'party', 'state', 'origin', 'exported_at'])
    .where('device_id', '=', p.deviceId)
    .where((eb) =>
      eb.or([
        eb('state', 'in', ['held', 'replaced']),
        eb.and([eb('state', '=', 'handed-over'), eb('superseded_by', 'is', null)]),
      ]),
    )
    .orderBy('created_at'),
)

/** A row: no two parties call a device the same. */
interface Named {
  readonly guid: string
  readonly deviceId: string
}

interface StateChange extends Named {
  readonly state: VoucherState
  readonly supersededBy: string | null
  readonly at: string
}

export const setState = statement((db, p: StateChange) =>
  db
    .updateTable('voucher')
    .set({ state: p.state, superseded_by: p.supersededBy, updated_at: p.at })
    .where('guid', '=', p.guid)
    .where('device_id', '=', p.deviceId),
)

/** The same voucher with entries that were not there before, or another's no longer. */
export const storeKnown = statement(
  (
    db,
    p: Pick<
      VoucherRow,
      'guid' | 'device_id' | 'owner_key' | 'state' | 'entries' | 'entry_style' | 'cbor'
    > & { readonly at: string },
  ) =>
    db
      .updateTable('voucher')
      .set(({ eb }) => ({
        owner_key: p.owner_key,
        state: p.state,
        entries: p.entries,
        entry_style: p.entry_style,
        cbor: p.cbor,
        superseded_by: null,
        exported_at: null,
        deleted_from: null,
        revision: eb('revision', '+', 1),
        updated_at: p.at,
      }))
      .where('guid', '=', p.guid)
      .where('device_id', '=', p.device_id),
)

interface Finished extends StateChange {
  readonly revision: number
}

/** The end of a TO2; gives nothing where another run ended first. */
export const finishRun = statement((db, p: Finished) =>
  db
    .updateTable('voucher')
    .set(({ eb }) => ({
      state: p.state,
      superseded_by: p.supersededBy,
      revision: eb('revision', '+', 1),
      updated_at: p.at,
    }))
    .where('guid', '=', p.guid)
    .where('device_id', '=', p.deviceId)
    .where('revision', '=', p.revision)
    .where('state', 'in', ['held', 'replaced'])
    .returning(['party', 'entry_style']),
)

/** Replacements of earlier runs, which the Device has shown it never took on. */
export const removeUnused = statement((db, p: { deviceId: string; except: string }) =>
  db
    .deleteFrom('voucher')
    .where('device_id', '=', p.deviceId)
    .where('origin', '=', 'onboarded')
    .where('state', '=', 'held')
    .where('entries', '=', 0)
    .where('guid', '!=', p.except),
)

/** What was served to a Device that might not have heard of its new voucher. */
export const retireReplacedBy = statement((db, p: { deviceId: string; guid: string; at: string }) =>
  db
    .updateTable('voucher')
    .set({ state: 'used', updated_at: p.at })
    .where('device_id', '=', p.deviceId)
    .where('superseded_by', '=', p.guid)
    .where('state', '=', 'replaced')
    .returning(['party', 'guid']),
)

export const retireReplacedBefore = statement((db, p: { before: string; at: string }) =>
  db
    .updateTable('voucher')
    .set({ state: 'used', updated_at: p.at })
    .where('state', '=', REPLACED)
    .where('updated_at', '<', p.before)
    .returning(['party', 'guid']),
)

export const markExported = statement((db, p: Named & { at: string }) =>
  db
    .updateTable('voucher')
    .set({ exported_at: p.at })
    .where('guid', '=', p.guid)
    .where('device_id', '=', p.deviceId)
    .where('state', '=', 'handed-over')
    .where('exported_at', 'is', null),
)

/** Where in a list a voucher stands. */
export type VoucherPosition = Pick<VoucherRow, 'guid' | 'created_at'>

export interface VoucherFilter {
  readonly party: string
  readonly limit: number
  /** The last of the page before. */
  readonly after?: VoucherPosition | undefined
  readonly state?: VoucherState | undefined
  readonly origin?: VoucherRow['origin'] | undefined
  readonly deviceId?: string | undefined
  readonly deviceInfo?: string | undefined
  /** Of the device, as its maker told it. */
  readonly serial?: string | undefined
  /** When it came here: at or after, and before. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/** Whether those of some time are wanted: they are listed as they came, else by GUID. */
export function isByArrival({ since, until }: Pick<VoucherFilter, 'since' | 'until'>): boolean {
  return since !== undefined || until !== undefined
}

/**
 * In an order in which a page stays the same while vouchers arrive, and which an index has: of GUIDs,
 * or of their arrival where that is asked for. Of one device or serial number there are few, found by
 * an index of their own and sorted: expressions keep the databases off those in order, which have all
 * the others' vouchers as well.
 */
export function listVouchers(db: Executor, filter: VoucherFilter) {
  const { party, after, state, serial } = filter
  const isOfOne = serial !== undefined || filter.deviceId !== undefined
  const isOrderedByArrival = isByArrival(filter)
  let query = db
    .selectFrom('voucher')
    .select([
      'guid',
      'device_id',
      'device_info',
      'owner_key',
      'state',
      'origin',
      'entries',
      'entry_style',
      'superseded_by',
      'exported_at',
      'created_at',
      'updated_at',
    ])
    .where(isOfOne ? sql<string>`party || ''` : 'party', '=', party)
    .limit(filter.limit)
  if (isOrderedByArrival) query = query.orderBy('created_at')
  query = query.orderBy(isOfOne ? sql<string>`guid || ''` : 'guid')
  if (after && isOrderedByArrival) {
    query = query.where(sql<boolean>`(created_at, guid) > (${after.created_at}, ${after.guid})`)
  } else if (after) {
    query = query.where('guid', '>', after.guid)
  }
  query = state ? query.where('state', '=', state) : query.where('state', '!=', 'deleted')
  if (filter.since !== undefined) query = query.where('created_at', '>=', filter.since)
  if (filter.until !== undefined) query = query.where('created_at', '<', filter.until)
  if (serial !== undefined) {
    query = query.where('device_id', 'in', (eb) =>
      eb.selectFrom('device').select('id').where('party', '=', party).where('serial', '=', serial),
    )
  }
  if (filter.origin !== undefined) query = query.where('origin', '=', filter.origin)
  if (filter.deviceId !== undefined) query = query.where('device_id', '=', filter.deviceId)
  if (filter.deviceInfo !== undefined) query = query.where('device_info', '=', filter.deviceInfo)
  return query.execute()
}
