/** The documents an administrator may change while the service runs. */
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'

export const findSetting = statement((db, p: { name: string }) =>
  db.selectFrom('setting').select(['value', 'version']).where('name', '=', p.name),
)

/** The next version of a document, or its first. */
export async function storeSetting(
  tx: Executor,
  name: string,
  value: string,
  at: string,
): Promise<void> {
  await tx
    .insertInto('setting')
    .values({ name, value, version: 1, updated_at: at })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet(({ eb, ref }) => ({
        value,
        version: eb(ref('setting.version'), '+', 1),
        updated_at: at,
      })),
    )
    .execute()
}
