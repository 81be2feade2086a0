/** To whom the vouchers of a model go by themselves, and those that could not. */
import { sql } from 'kysely'
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { TransferRefusalTable, TransferRuleTable } from '../../database/tables/transfer.ts'

export type RuleRow = TransferRuleTable
export type RefusalRow = TransferRefusalTable

export const addRule = statement((db, row: RuleRow) =>
  db.insertInto('transfer_rule').values({
    id: row.id,
    party: row.party,
    model: row.model,
    partner: row.partner,
    to_party: row.to_party,
    last_error: row.last_error,
    created_at: row.created_at,
  }),
)

/** Of all parties. */
export const listAllRules = statement((db, _: object) =>
  db.selectFrom('transfer_rule').selectAll().orderBy('id'),
)

export const listRulesOf = statement((db, p: { party: string }) =>
  db.selectFrom('transfer_rule').selectAll().where('party', '=', p.party).orderBy('id'),
)

export const listRules = statement(
  (db, p: { readonly party: string; readonly after: string; readonly limit: number }) =>
    db
      .selectFrom('transfer_rule')
      .selectAll()
      .where('party', '=', p.party)
      .where('id', '>', p.after)
      .orderBy('id')
      .limit(p.limit),
)

export const findRule = statement((db, p: { party: string; id: string }) =>
  db.selectFrom('transfer_rule').selectAll().where('id', '=', p.id).where('party', '=', p.party),
)

export const findRuleTo = statement((db, p: { partner: string }) =>
  db.selectFrom('transfer_rule').select('id').where('partner', '=', p.partner).limit(1),
)

export const removeRule = statement((db, p: { party: string; id: string }) =>
  db.deleteFrom('transfer_rule').where('id', '=', p.id).where('party', '=', p.party),
)

export const setLastError = statement((db, p: { id: string; error: string | null }) =>
  db.updateTable('transfer_rule').set({ last_error: p.error }).where('id', '=', p.id),
)

export interface DueFilter {
  readonly rule: string
  readonly party: string
  /** The model; or those of none of these. */
  readonly model: string | { readonly noneOf: readonly string[] }
  readonly now: string
  /** The last GUID of the page before. */
  readonly after: string
  readonly limit: number
}

/** GUIDs of what was made or imported, is held, and may be tried now. */
export async function listDue(db: Executor, filter: DueFilter): Promise<string[]> {
  const { rule, party, model, now, after, limit } = filter
  const rows = await db
    .selectFrom('voucher')
    .select('guid')
    .where('party', '=', party)
    // Written out: the index is of these alone, and is not used for values that come later.
    .where('state', '=', sql.lit('held' as const))
    .where('origin', '<>', sql.lit('onboarded' as const))
    .where(({ and, eb }) =>
      typeof model === 'string'
        ? eb('device_info', '=', model)
        : and(model.noneOf.map((other) => eb('device_info', '<>', other))),
    )
    .where('guid', '>', after)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('transfer_refusal')
            .select('transfer_refusal.guid')
            .where('transfer_refusal.rule', '=', rule)
            .whereRef('transfer_refusal.guid', '=', 'voucher.guid')
            .where('transfer_refusal.next_at', '>', now),
        ),
      ),
    )
    .orderBy('guid')
    .limit(limit)
    .execute()
  return rows.map(({ guid }) => guid)
}

export interface FreshVoucher {
  readonly guid: string
  readonly model: string
}

/** Of these the ones that rules may hand over: found by their names, however many are held. */
export async function listFresh(
  db: Executor,
  { party, guids }: { readonly party: string; readonly guids: readonly string[] },
): Promise<FreshVoucher[]> {
  return freshQuery(db, party, guids).execute()
}

export function freshQuery(db: Executor, party: string, guids: readonly string[]) {
  return db
    .selectFrom('voucher')
    .select(['guid', 'device_info as model'])
    .where('party', '=', party)
    .where('guid', 'in', guids)
    .where('state', '=', 'held')
    .where('origin', '<>', 'onboarded')
    .orderBy('guid')
}

export const findRefusal = statement((db, p: Pick<RefusalRow, 'rule' | 'guid'>) =>
  db
    .selectFrom('transfer_refusal')
    .selectAll()
    .where('rule', '=', p.rule)
    .where('guid', '=', p.guid),
)

export const findWaiting = statement((db, p: { rule: string; now: string }) =>
  db
    .selectFrom('transfer_refusal')
    .select('guid')
    .where('rule', '=', p.rule)
    .where('next_at', '>', p.now)
    .limit(1),
)

export const putRefusal = statement((db, row: RefusalRow) =>
  db
    .insertInto('transfer_refusal')
    .values({ rule: row.rule, guid: row.guid, attempts: row.attempts, next_at: row.next_at })
    .onConflict((conflict) =>
      conflict
        .columns(['rule', 'guid'])
        .doUpdateSet({ attempts: row.attempts, next_at: row.next_at }),
    ),
)

export const removeRefusals = statement((db, p: { rule: string }) =>
  db.deleteFrom('transfer_refusal').where('rule', '=', p.rule),
)

/** Of those that are no more there to be tried: they would have been. */
export const removeStaleRefusals = statement((db, p: { before: string }) =>
  db.deleteFrom('transfer_refusal').where('next_at', '<', p.before),
)

/** What is known of a partner has changed: what it could not get it may get now. */
export async function removeRefusalsTo(tx: Executor, partner: string): Promise<void> {
  await tx
    .deleteFrom('transfer_refusal')
    .where('rule', 'in', (eb) =>
      eb.selectFrom('transfer_rule').select('id').where('partner', '=', partner),
    )
    .execute()
}
