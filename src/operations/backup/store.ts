/** When the last back-up was made; and what a restored installation has. */
import type { Executor } from '../../database/connection.ts'
import { HOME_PARTY } from '../../database/tables.ts'

const LAST_BACKUP = 'last-backup'

export async function findLastBackup(db: Executor): Promise<string | undefined> {
  const row = await db
    .selectFrom('setting')
    .select('updated_at')
    .where('party', '=', HOME_PARTY)
    .where('name', '=', LAST_BACKUP)
    .executeTakeFirst()
  return row?.updated_at
}

export async function storeLastBackup(tx: Executor, at: string): Promise<void> {
  const row = { party: HOME_PARTY, name: LAST_BACKUP, value: '{}', version: 1, updated_at: at }
  await tx
    .insertInto('setting')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['party', 'name'])
        .doUpdateSet((eb) => ({ updated_at: at, version: eb('setting.version', '+', 1) })),
    )
    .execute()
}

export async function listParties(db: Executor): Promise<string[]> {
  const rows = await db.selectFrom('party').select('id').orderBy('id').execute()
  return rows.map(({ id }) => id)
}

export async function countHeld(db: Executor): Promise<number> {
  const { count } = await db
    .selectFrom('voucher')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('state', '=', 'held')
    .executeTakeFirstOrThrow()
  return Number(count)
}
