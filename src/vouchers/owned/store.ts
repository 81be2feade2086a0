/** What a key of a party is still needed for. */
import { sql } from 'kysely'
import type { Executor } from '../../database/connection.ts'

export interface OwnedFilter {
  readonly party: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly ownerKey: string
  /** It is counted no further. */
  readonly most: number
}

/** Vouchers with this key, to be served, sold on or had back: only it can sign for them. */
export async function countOwned(
  db: Executor,
  { party, ownerKey, most }: OwnedFilter,
): Promise<number> {
  const { n } = await db
    .selectFrom((eb) =>
      eb
        .selectFrom('voucher')
        .select('voucher.state')
        .where('voucher.party', '=', party)
        .where('voucher.owner_key', '=', ownerKey)
        // Written out, as the index has it.
        .where(sql<boolean>`"voucher"."state" in ('held', 'replaced', 'deleted')`)
        .limit(most)
        .as('owned'),
    )
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow()
  return Number(n)
}
