/** Tokens of the management API, by the hash of their secret. */
import type { Selectable } from 'kysely'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { ApiTokenTable } from '../database/tables/secrets.ts'

export type ApiTokenRow = Selectable<ApiTokenTable>

const find = statement((db, p: { id: string }) =>
  db.selectFrom('api_token').selectAll().where('id', '=', p.id),
)

export interface TokenPage {
  readonly party: string
  readonly limit: number
  /** The last id of the page before. */
  readonly after?: string | undefined
}

export class ApiTokenStore {
  find(executor: Executor, id: string): Promise<ApiTokenRow | undefined> {
    return find.first(executor, { id })
  }

  /** In the order they were made. */
  list(executor: Executor, { party, limit, after = '' }: TokenPage): Promise<ApiTokenRow[]> {
    return executor
      .selectFrom('api_token')
      .selectAll()
      .where('party', '=', party)
      .where('id', '>', after)
      .orderBy('id')
      .limit(limit)
      .execute()
  }

  async add(tx: Executor, row: ApiTokenRow): Promise<void> {
    await tx.insertInto('api_token').values(row).execute()
  }

  /** False if there is no such token, or it was revoked before. */
  async revoke(
    tx: Executor,
    {
      party,
      id,
      at: revoked_at,
    }: { readonly party: string; readonly id: string; readonly at: string },
  ): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('api_token')
      .set({ revoked_at })
      .where('id', '=', id)
      .where('party', '=', party)
      .where('revoked_at', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }

  async markUsed(
    executor: Executor,
    { id, at }: { readonly id: string; readonly at: string },
  ): Promise<void> {
    await executor
      .updateTable('api_token')
      .set({ first_used_at: at })
      .where('id', '=', id)
      .where('first_used_at', 'is', null)
      .execute()
  }

  listNamed(
    executor: Executor,
    { party, name }: Pick<ApiTokenRow, 'party' | 'name'>,
  ): Promise<ApiTokenRow[]> {
    return executor
      .selectFrom('api_token')
      .selectAll()
      .where('party', '=', party)
      .where('name', '=', name)
      .execute()
  }
}
