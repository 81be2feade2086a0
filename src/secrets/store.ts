/** Private keys, sealed. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'

export interface PrivateKeyRow {
  readonly id: string
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
    .select(['id', 'purpose', 'kind', 'fingerprint', 'origin', 'spki', 'created_at'])
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

  async add(tx: Executor, row: PrivateKeyRow & { wrapped: Bytes }): Promise<void> {
    await tx.insertInto('private_key').values(row).execute()
  }
}
