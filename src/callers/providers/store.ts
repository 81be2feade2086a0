/** The OpenID providers of parties. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { IdentityProviderTable } from '../../database/tables/callers.ts'

export type ProviderRow = IdentityProviderTable

interface Named {
  readonly party: string
  readonly id: string
}

export const listAllProviders = statement((db, _: object) =>
  db.selectFrom('identity_provider').selectAll(),
)

export const findProvider = statement((db, p: { id: string }) =>
  db.selectFrom('identity_provider').selectAll().where('id', '=', p.id),
)

/** The one whose tokens name no provider. */
export const findUnnamed = statement((db, p: { issuer: string; audience: string }) =>
  db
    .selectFrom('identity_provider')
    .select('party')
    .where('issuer', '=', p.issuer)
    .where('audience', '=', p.audience)
    .where('is_named', '=', 0),
)

export const listProviders = statement((db, p: { party: string; after: string; limit: number }) =>
  db
    .selectFrom('identity_provider')
    .selectAll()
    .where('party', '=', p.party)
    .where('id', '>', p.after)
    .orderBy('id')
    .limit(p.limit),
)

/** False where the party has one of this issuer and audience, or another unnamed one is there. */
export async function addProvider(tx: Executor, row: ProviderRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx
    .insertInto('identity_provider')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst()
  return numInsertedOrUpdatedRows === 1n
}

export async function changeProvider(
  tx: Executor,
  { party, id }: Named,
  changed: Pick<ProviderRow, 'name' | 'claim' | 'roles'>,
): Promise<void> {
  await tx
    .updateTable('identity_provider')
    .set(changed)
    .where('id', '=', id)
    .where('party', '=', party)
    .execute()
}

export const removeProvider = statement((db, p: Named) =>
  db.deleteFrom('identity_provider').where('id', '=', p.id).where('party', '=', p.party),
)
