/**
 * Keys that have been replaced stay, for what was signed to them. Of those made here one of each kind
 * is in use; two processes that both made the first have left two. What still needs a key is counted
 * by index.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const keyRotation: Migration = {
  async up(db: Kysely<any>) {
    const { schema } = db
    await schema.alterTable('private_key').addColumn('retired_at', 'text').execute()
    await db
      .updateTable('private_key')
      .set({ retired_at: sql.ref('created_at') })
      .where('origin', '=', 'made')
      .where((eb: any) =>
        eb.exists(
          eb
            .selectFrom('private_key as newer')
            .select('newer.id')
            .whereRef('newer.party', '=', 'private_key.party')
            .whereRef('newer.purpose', '=', 'private_key.purpose')
            .whereRef('newer.kind', '=', 'private_key.kind')
            .where('newer.origin', '=', 'made')
            .where(
              eb.or([
                eb('newer.created_at', '>', eb.ref('private_key.created_at')),
                eb.and([
                  eb('newer.created_at', '=', eb.ref('private_key.created_at')),
                  eb('newer.id', '>', eb.ref('private_key.id')),
                ]),
              ]),
            ),
        ),
      )
      .execute()
    await schema
      .createIndex('private_key_active')
      .on('private_key')
      .columns(['party', 'purpose', 'kind'])
      .unique()
      .where(sql.ref('origin'), '=', sql.lit('made'))
      .where(sql.ref('retired_at'), 'is', null)
      .execute()
    await schema
      .createIndex('voucher_owned')
      .on('voucher')
      .columns(['party', 'owner_key', 'state'])
      .where(sql.ref('state'), 'in', sql`('held', 'replaced', 'deleted')`)
      .execute()
  },
}
