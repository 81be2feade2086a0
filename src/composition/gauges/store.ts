/** How much waits, counted by index and no further than somebody needs to know. */
import type { Executor } from '../../database/connection.ts'

export async function countDue(
  db: Executor,
  { origin, now, most }: { readonly origin: string; readonly now: string; readonly most: number },
): Promise<number> {
  const due = db
    .selectFrom('to0_job')
    .select('origin')
    .where('origin', '=', origin)
    .where('next_at', '<=', now)
    .limit(most)
    .as('due')
  return counted(
    await db
      .selectFrom(due)
      .select(({ fn }) => fn.countAll().as('count'))
      .execute(),
  )
}

export async function countPushes(db: Executor, most: number): Promise<number> {
  const waiting = db
    .selectFrom('push_job')
    .select('state')
    .where('state', '=', 'waiting')
    .limit(most)
    .as('waiting')
  return counted(
    await db
      .selectFrom(waiting)
      .select(({ fn }) => fn.countAll().as('count'))
      .execute(),
  )
}

/** Between where each active webhook is and where its party's log ends. */
export async function sumWebhookBacklog(db: Executor): Promise<number> {
  const rows = await db
    .selectFrom('webhook')
    .select((eb) => [
      'cursor',
      eb
        .selectFrom('audit_entry')
        .select(({ fn }) => fn.max('seq').as('seq'))
        .whereRef('audit_entry.party', '=', 'webhook.party')
        .as('head'),
    ])
    .where('state', '=', 'active')
    .execute()
  return rows.reduce(
    (sum, { cursor, head }) => sum + Math.max(0, Number(head ?? 0) - Number(cursor)),
    0,
  )
}

export async function countFailingWebhooks(db: Executor): Promise<number> {
  return counted(
    await db
      .selectFrom('webhook')
      .select(({ fn }) => fn.countAll().as('count'))
      .where((eb) => eb.or([eb('failing_since', 'is not', null), eb('state', '=', 'disabled')]))
      .execute(),
  )
}

function counted(rows: readonly { readonly count: unknown }[]): number {
  return Number(rows[0]?.count ?? 0)
}
