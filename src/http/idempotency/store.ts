/** Requests that came with an Idempotency-Key, and what they were answered. */
import { statement } from '../../database/statement.ts'
import type { IdempotencyTable } from '../../database/tables/http.ts'

interface Named {
  readonly principal: string
  readonly key: string
}

/** One attempt to carry a request out. */
export interface Runner extends Named {
  readonly runner: string
}

export const findRequest = statement((db, p: Named) =>
  db
    .selectFrom('idempotency')
    .selectAll()
    .where('principal', '=', p.principal)
    .where('key', '=', p.key),
)

export const insertRequest = statement((db, row: IdempotencyTable) =>
  db.insertInto('idempotency').values({
    principal: row.principal,
    key: row.key,
    party: row.party,
    request_hash: row.request_hash,
    state: row.state,
    runner: row.runner,
    lease_until: row.lease_until,
    status: row.status,
    content_type: row.content_type,
    answer: row.answer,
    expires_at: row.expires_at,
  }),
)

/** As long as nobody has taken over. */
export const renewLease = statement((db, p: Runner & { readonly until: string }) =>
  db
    .updateTable('idempotency')
    .set({ lease_until: p.until })
    .where('principal', '=', p.principal)
    .where('key', '=', p.key)
    .where('runner', '=', p.runner)
    .where('state', '!=', 'done'),
)

/** Gives way to nobody but one who has taken over: see IdempotencyTable.runner. */
export const noteEffect = statement((db, p: Runner) =>
  db
    .updateTable('idempotency')
    .set({ state: 'effected' })
    .where('principal', '=', p.principal)
    .where('key', '=', p.key)
    .where('runner', '=', p.runner)
    .where('state', '!=', 'done'),
)

export const keepAnswer = statement(
  (
    db,
    p: Runner & {
      readonly status: number
      readonly contentType: string | null
      readonly answer: Uint8Array
    },
  ) =>
    db
      .updateTable('idempotency')
      .set({ state: 'done', status: p.status, content_type: p.contentType, answer: p.answer })
      .where('principal', '=', p.principal)
      .where('key', '=', p.key)
      .where('runner', '=', p.runner),
)

export const removeRequest = statement((db, p: Named) =>
  db.deleteFrom('idempotency').where('principal', '=', p.principal).where('key', '=', p.key),
)

/** One that came to nothing: its key may be used again. */
export const removeWithoutEffect = statement((db, p: Runner) =>
  db
    .deleteFrom('idempotency')
    .where('principal', '=', p.principal)
    .where('key', '=', p.key)
    .where('runner', '=', p.runner)
    .where('state', '=', 'begun'),
)

export const removeExpired = statement((db, p: { readonly now: string }) =>
  db.deleteFrom('idempotency').where('expires_at', '<=', p.now),
)

export const removeRefused = statement((db, p: Runner) =>
  db
    .deleteFrom('idempotency')
    .where('principal', '=', p.principal)
    .where('key', '=', p.key)
    .where('runner', '=', p.runner)
    .where('state', '!=', 'done'),
)
