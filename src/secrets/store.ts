/** Private keys, sealed; and what tells whether a master key is the one they were sealed under. */
import { sql } from 'kysely'
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
  readonly retired_at: string | null
}

const COLUMNS = [
  ...(['id', 'party', 'purpose', 'kind', 'fingerprint', 'origin', 'spki'] as const),
  ...(['created_at', 'retired_at'] as const),
] as const

const list = statement((db, _: object) =>
  db.selectFrom('private_key').select(COLUMNS).orderBy('created_at').orderBy('id'),
)

type KeyName = Pick<PrivateKeyRow, 'party' | 'purpose' | 'fingerprint'>

const findNamed = statement((db, p: KeyName) =>
  db
    .selectFrom('private_key')
    .select(COLUMNS)
    .where('party', '=', p.party)
    .where('purpose', '=', p.purpose)
    .where('fingerprint', '=', p.fingerprint),
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

  /** The one made here that is in use: there is one at most. */
  findActive(
    tx: Executor,
    { party, purpose, kind }: Pick<PrivateKeyRow, 'party' | 'purpose' | 'kind'>,
  ): Promise<PrivateKeyRow | undefined> {
    return tx
      .selectFrom('private_key')
      .select(COLUMNS)
      .where('party', '=', party)
      .where('purpose', '=', purpose)
      .where('kind', '=', kind)
      .where('origin', '=', sql.lit('made' as const))
      .where('retired_at', 'is', null)
      .executeTakeFirst()
  }

  findNamed(tx: Executor, name: KeyName): Promise<PrivateKeyRow | undefined> {
    return findNamed.first(tx, name)
  }

  async count(tx: Executor, party: string): Promise<number> {
    const { n } = await tx
      .selectFrom('private_key')
      .select(({ fn }) => fn.countAll<number>().as('n'))
      .where('party', '=', party)
      .executeTakeFirstOrThrow()
    return Number(n)
  }

  async add(tx: Executor, row: PrivateKeyRow & { wrapped: Bytes }): Promise<void> {
    await tx.insertInto('private_key').values(row).execute()
  }

  /** False where somebody else has done so, or there is none. */
  async retire(tx: Executor, id: string, at: string): Promise<boolean> {
    const { numUpdatedRows } = await tx
      .updateTable('private_key')
      .set({ retired_at: at })
      .where('id', '=', id)
      .where('retired_at', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }

  /** False where there is none. */
  async remove(tx: Executor, id: string): Promise<boolean> {
    const { numDeletedRows } = await tx
      .deleteFrom('private_key')
      .where('id', '=', id)
      .executeTakeFirst()
    return numDeletedRows === 1n
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
export async function storeFirstMasterKeyCheck(tx: Executor, check: Bytes): Promise<void> {
  await insertMasterKeyCheck(tx, check)
    .onConflict((conflict) => conflict.columns(['party', 'name']).doNothing())
    .execute()
}

/** Another one, where there is one already. */
export async function storeMasterKeyCheck(tx: Executor, check: Bytes): Promise<void> {
  await insertMasterKeyCheck(tx, check)
    .onConflict((conflict) =>
      conflict
        .columns(['party', 'name'])
        .doUpdateSet((eb) => ({ value: eb.ref('excluded.value') })),
    )
    .execute()
}

function insertMasterKeyCheck(tx: Executor, check: Bytes) {
  const value = Buffer.from(check).toString('base64')
  const row = { party: HOME_PARTY, name: MASTER_KEY_CHECK, value, version: 1, updated_at: '' }
  return tx.insertInto('setting').values(row)
}
