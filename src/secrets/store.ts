/** Private keys, sealed; and what tells whether a master key is the one they were sealed under. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import { HOME_PARTY } from '../database/tables.ts'

export interface PrivateKeyRow {
  readonly id: string
  readonly party: string
  readonly purpose: string
  readonly kind: KeyKind
  readonly fingerprint: string
  readonly origin: 'made' | 'imported'
  readonly spki: Bytes
  readonly created_at: string
}

const list = statement((db, _: object) =>
  db
    .selectFrom('private_key')
    .select(['id', 'party', 'purpose', 'kind', 'fingerprint', 'origin', 'spki', 'created_at'])
    .orderBy('created_at')
    .orderBy('id'),
)

const findWrapped = statement((db, p: { id: string }) =>
  db.selectFrom('private_key').select('wrapped').where('id', '=', p.id),
)

export class PrivateKeyStore {
  /** Oldest first. */
  list(executor: Executor): Promise<PrivateKeyRow[]> {
    return list.all(executor, {})
  }

  async findWrapped(executor: Executor, id: string): Promise<Bytes | undefined> {
    return (await findWrapped.first(executor, { id }))?.wrapped
  }

  /** False if the party has this key already, for the same purpose. */
  async add(tx: Executor, row: PrivateKeyRow & { wrapped: Bytes }): Promise<boolean> {
    const { numInsertedOrUpdatedRows } = await tx
      .insertInto('private_key')
      .values(row)
      .onConflict((conflict) => conflict.columns(['party', 'purpose', 'fingerprint']).doNothing())
      .executeTakeFirst()
    return numInsertedOrUpdatedRows === 1n
  }
}

const MASTER_KEY_CHECK = 'master-key-check'

export async function findMasterKeyCheck(executor: Executor): Promise<Bytes | undefined> {
  const row = await executor
    .selectFrom('setting')
    .select('value')
    .where('party', '=', HOME_PARTY)
    .where('name', '=', MASTER_KEY_CHECK)
    .executeTakeFirst()
  return row && Buffer.from(row.value, 'base64')
}

/** The first one stays. */
export async function storeMasterKeyCheck(tx: Executor, check: Bytes): Promise<void> {
  const value = Buffer.from(check).toString('base64')
  const row = { party: HOME_PARTY, name: MASTER_KEY_CHECK, value, version: 1, updated_at: '' }
  await tx
    .insertInto('setting')
    .values(row)
    .onConflict((conflict) => conflict.columns(['party', 'name']).doNothing())
    .execute()
}
