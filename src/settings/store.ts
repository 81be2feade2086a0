/** The documents an administrator may change while the service runs. */
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'

export interface SettingName {
  readonly party: string
  readonly name: string
}

export const findSetting = statement((db, p: SettingName) =>
  db
    .selectFrom('setting')
    .select(['value', 'version'])
    .where('party', '=', p.party)
    .where('name', '=', p.name),
)

/** The next version of a document, or its first. */
export async function storeSetting(
  tx: Executor,
  { party, name }: SettingName,
  value: string,
  at: string,
): Promise<void> {
  await tx
    .insertInto('setting')
    .values({ party, name, value, version: 1, updated_at: at })
    .onConflict((conflict) =>
      conflict.columns(['party', 'name']).doUpdateSet(({ eb, ref }) => ({
        value,
        version: eb(ref('setting.version'), '+', 1),
        updated_at: at,
      })),
    )
    .execute()
}
