/** Where devices find their owners: what owners left here in TO0. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { RegistrationTable } from '../database/tables.ts'

type RegistrationRow = RegistrationTable

const findLive = statement((db, p: { guid: string; now: string }) =>
  db
    .selectFrom('registration')
    .select(['to1d', 'device_key'])
    .where('guid', '=', p.guid)
    .where('expires_at', '>', p.now),
)

const findAny = statement((db, p: { guid: string }) =>
  db
    .selectFrom('registration')
    .select(['to1d', 'owner_key', 'entry_hashes', 'run_order', 'expires_at'])
    .where('guid', '=', p.guid),
)

const put = statement((db, row: RegistrationRow) => {
  const { guid, to1d, device_key, owner_key, entry_hashes, run_order, registered_at, expires_at } =
    row
  const columns = {
    to1d,
    device_key,
    owner_key,
    entry_hashes,
    run_order,
    registered_at,
    expires_at,
  }
  return db
    .insertInto('registration')
    .values({ guid, ...columns })
    .onConflict((conflict) => conflict.column('guid').doUpdateSet(columns))
})

const dropExpired = statement((db, p: { before: string }) =>
  db.deleteFrom('registration').where('expires_at', '<', p.before),
)

export type StoredRegistration = Pick<
  RegistrationRow,
  'to1d' | 'owner_key' | 'entry_hashes' | 'run_order' | 'expires_at'
>

export class RegistrationStore {
  /** For TO1: only while it lasts. */
  findLive(
    executor: Executor,
    guid: string,
    now: string,
  ): Promise<{ to1d: Bytes; device_key: Bytes } | undefined> {
    return findLive.first(executor, { guid, now })
  }

  /** For TO0: a lapsed one, too, until it is swept away. */
  findAny(executor: Executor, guid: string): Promise<StoredRegistration | undefined> {
    return findAny.first(executor, { guid })
  }

  async put(tx: Executor, row: RegistrationRow): Promise<void> {
    await put.run(tx, row)
  }

  async sweep(tx: Executor, before: string): Promise<void> {
    await dropExpired.run(tx, { before })
  }
}
