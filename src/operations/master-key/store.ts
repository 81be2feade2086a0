/** Sealed bytes, read and replaced wherever they are. */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Executor } from '../../database/connection.ts'
import type { SealedColumn } from './sealed.ts'

/** Its key, and `sealed`. */
export type SealedRow = Readonly<Record<string, unknown>> & { readonly sealed: Bytes }

/** Kysely knows each table by its type: to it, all of them are the one whose column has that name. */
type Any = 'private_key'

export async function listSealed(
  tx: Executor,
  { table, column, key }: SealedColumn,
): Promise<readonly SealedRow[]> {
  const rows = await tx
    .selectFrom(table as Any)
    .select([...key, `${column} as sealed`] as 'id'[])
    .where(column as 'wrapped', 'is not', null)
    .execute()
  return rows as unknown as SealedRow[]
}

export async function replaceSealed(
  tx: Executor,
  { table, column, key }: SealedColumn,
  row: SealedRow,
  sealed: Bytes,
): Promise<void> {
  let update = tx.updateTable(table as Any).set({ [column]: sealed })
  for (const name of key) update = update.where(name as 'id', '=', row[name] as string)
  await update.execute()
}
