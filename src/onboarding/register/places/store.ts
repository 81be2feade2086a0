/** What is told of places between the process that registers and all others. */
import type { Executor } from '../../../database/connection.ts'
import { statement } from '../../../database/statement.ts'

export const call = statement((db, p: { origin: string; at: string }) =>
  db
    .insertInto('to0_place')
    .values({ origin: p.origin, called_at: p.at, last_error: null })
    .onConflict((conflict) => conflict.column('origin').doUpdateSet({ called_at: p.at })),
)

export const listCalled = statement((db, _p: object) =>
  db.selectFrom('to0_place').select(['origin', 'called_at']).where('called_at', 'is not', null),
)

/** Unless somebody has called again since. */
export const answerCall = statement((db, p: { origin: string; called_at: string | null }) =>
  db
    .updateTable('to0_place')
    .set({ called_at: null })
    .where('origin', '=', p.origin)
    .where('called_at', '=', p.called_at),
)

export const putError = statement((db, p: { origin: string; error: string }) =>
  db
    .insertInto('to0_place')
    .values({ origin: p.origin, called_at: null, last_error: p.error })
    .onConflict((conflict) => conflict.column('origin').doUpdateSet({ last_error: p.error })),
)

export const clearError = statement((db, p: { origin: string }) =>
  db
    .updateTable('to0_place')
    .set({ last_error: null })
    .where('origin', '=', p.origin)
    .where('last_error', 'is not', null),
)

export async function listErrors(
  db: Executor,
  origins: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (origins.length === 0) return new Map()
  const rows = await db
    .selectFrom('to0_place')
    .select(['origin', 'last_error'])
    .where('origin', 'in', origins)
    .execute()
  return new Map(rows.flatMap(({ origin, last_error: error }) => (error ? [[origin, error]] : [])))
}
