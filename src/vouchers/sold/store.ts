/** What a party has sold to a key, and nobody has taken back. */
import { type ExpressionBuilder, sql } from 'kysely'
import type { Executor } from '../../database/connection.ts'
import type { Tables } from '../../database/tables.ts'

export interface SoldFilter {
  readonly party: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly ownerKey: string
  /** Sold at or after, and before. */
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** Whether it was fetched; either if undefined. */
  readonly isFetched?: boolean | undefined
}

export interface SoldPageFilter extends SoldFilter {
  readonly limit: number
  readonly after?: string | undefined
}

/** Ordered by GUID. */
export function listSold(db: Executor, { limit, after = '', ...filter }: SoldPageFilter) {
  return db
    .selectFrom('voucher')
    .leftJoin('device', 'device.id', 'voucher.device_id')
    .select([
      'voucher.guid',
      'voucher.device_info as deviceInfo',
      'voucher.updated_at as soldAt',
      'device.serial',
      'device.model',
    ])
    .where((eb) => isSold(eb, filter))
    .where('voucher.guid', '>', after)
    .orderBy('voucher.guid')
    .limit(limit)
    .execute()
}

export async function countSold(db: Executor, filter: SoldFilter): Promise<number> {
  const row = await db
    .selectFrom('voucher')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where((eb) => isSold(eb, filter))
    .executeTakeFirst()
  return Number(row?.count ?? 0)
}

function isSold(eb: ExpressionBuilder<Tables, 'voucher'>, filter: SoldFilter) {
  const { party, ownerKey, since, until, isFetched } = filter
  return eb.and([
    eb('voucher.party', '=', party),
    eb('voucher.owner_key', '=', ownerKey),
    // Written out: the index is of these alone, and is not used for a value that comes later.
    eb('voucher.state', '=', sql.lit('handed-over' as const)),
    ...(since ? [eb('voucher.updated_at', '>=', since.toISOString())] : []),
    ...(until ? [eb('voucher.updated_at', '<', until.toISOString())] : []),
    ...(isFetched === undefined
      ? []
      : [eb('voucher.exported_at', isFetched ? 'is not' : 'is', null)]),
  ])
}
