/** Webhooks, and how far each has got in its party's log. */
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { WebhookTable } from '../database/tables/webhooks.ts'

export type WebhookRow = WebhookTable

const byParty = statement((db, p: { party: string; after: string; limit: number }) =>
  db
    .selectFrom('webhook')
    .selectAll()
    .where('party', '=', p.party)
    .where('id', '>', p.after)
    .orderBy('id')
    .limit(p.limit),
)

const byId = statement((db, p: { party: string; id: string }) =>
  db.selectFrom('webhook').selectAll().where('party', '=', p.party).where('id', '=', p.id),
)

/** Those whose time has come and that have not heard of everything. */
const due = statement((db, p: { now: string }) =>
  db
    .selectFrom('webhook')
    .selectAll()
    .where('state', '=', 'active')
    .where('next_at', '<=', p.now)
    .where((eb) =>
      eb.exists(
        eb
          .selectFrom('audit_entry')
          .select('seq')
          .whereRef('audit_entry.party', '=', 'webhook.party')
          .whereRef('audit_entry.seq', '>', 'webhook.cursor'),
      ),
    )
    .orderBy('next_at'),
)

const move = statement((db, p: Progress) =>
  db
    .updateTable('webhook')
    .set({ cursor: p.to })
    .where('id', '=', p.id)
    .where('revision', '=', p.revision)
    .where('cursor', '<', p.to),
)

const noteDelivery = statement((db, p: Delivered) =>
  db
    .updateTable('webhook')
    .set({ cursor: p.to, attempts: 0, failing_since: null, last_error: null })
    .set({ next_at: p.now, last_delivered_at: p.now })
    .where('id', '=', p.id)
    .where('revision', '=', p.revision)
    .where('cursor', '<', p.to),
)

export interface Progress {
  readonly id: string
  readonly revision: number
  readonly to: number
}

export interface Delivered extends Progress {
  readonly now: string
}

export class WebhookStore {
  list(db: Executor, party: string, limit: number, after = ''): Promise<WebhookRow[]> {
    return byParty.all(db, { party, after, limit })
  }

  find(db: Executor, party: string, id: string): Promise<WebhookRow | undefined> {
    return byId.first(db, { party, id })
  }

  due(db: Executor, now: string): Promise<WebhookRow[]> {
    return due.all(db, { now })
  }

  async add(tx: Executor, row: WebhookRow): Promise<void> {
    await tx.insertInto('webhook').values(row).execute()
  }

  async remove(tx: Executor, party: string, id: string): Promise<boolean> {
    const { numDeletedRows } = await tx
      .deleteFrom('webhook')
      .where('party', '=', party)
      .where('id', '=', id)
      .executeTakeFirst()
    return numDeletedRows > 0n
  }

  /** Over entries it has no interest in. False where the webhook was changed meanwhile, or is gone. */
  async move(tx: Executor, progress: Progress): Promise<boolean> {
    return (await move.run(tx, progress)) > 0
  }

  /** As `move`, after an entry that was taken. */
  async noteDelivery(tx: Executor, delivered: Delivered): Promise<boolean> {
    return (await noteDelivery.run(tx, delivered)) > 0
  }

  /** By who looks after it, or because it failed: false where another change came first. */
  async change(
    tx: Executor,
    { id, revision }: Pick<WebhookRow, 'id' | 'revision'>,
    change: Partial<Omit<WebhookRow, 'id' | 'party' | 'secret' | 'created_at'>>,
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('webhook')
      .set(change)
      .where('id', '=', id)
      .where('revision', '=', revision)
      .executeTakeFirst()
    return numUpdatedRows > 0n
  }
}
