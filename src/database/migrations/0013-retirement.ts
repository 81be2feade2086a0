/** What is over is over: why a certificate was revoked, the list of those, and who registered what. */
import { type Kysely, type Migration, sql } from 'kysely'

export const retirement: Migration = {
  async up(db: Kysely<unknown>) {
    await revocation(db)
    await withdrawal(db)
  },
}

async function revocation(db: Kysely<unknown>): Promise<void> {
  const { schema } = db
  await schema.alterTable('certificate').addColumn('revocation_reason', 'text').execute()
  await schema
    .createIndex('certificate_over')
    .on('certificate')
    .column('not_after')
    .where(sql.ref('status'), 'in', [sql.lit('revoked'), sql.lit('superseded')])
    .execute()
  await schema
    .createTable('revocation_list')
    .addColumn('authority', 'text', (column) => column.primaryKey())
    .addColumn('key', 'text')
    .addColumn('number', 'bigint', (column) => column.notNull())
    .addColumn('der', 'blob')
    .addColumn('this_update', 'text')
    .addColumn('changes', 'bigint', (column) => column.notNull())
    .addColumn('made_from', 'bigint', (column) => column.notNull())
    .execute()
  // There from the start, so that whoever revokes has something to note it in.
  await sql`insert into revocation_list (authority, number, changes, made_from)
    values ('issuing-ca', 0, 0, 0)`.execute(db)
}

/** By whose key a voucher is registered, to be able to take that back once it is another's. */
async function withdrawal(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('to0_job').addColumn('owner_key', 'text').execute()
  await sql`update to0_job set owner_key = (
    select owner_key from voucher
    where voucher.guid = to0_job.guid and voucher.party = to0_job.party
  )`.execute(db)
}
