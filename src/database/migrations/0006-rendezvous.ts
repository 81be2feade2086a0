/**
 * Registrations outlive themselves as a memory of the longest voucher seen, so that a former owner
 * is known as such for good; attempts of such are counted. What the owner's side is told of its
 * own registrations is found by index.
 */
import { createHash } from 'node:crypto'
import type { Kysely, Migration } from 'kysely'
import type { Bytes } from '../../../protocol/bytes.ts'

interface Before {
  registration_before: {
    guid: string
    to1d: Bytes
    device_key: Bytes
    owner_key: Bytes
    entry_hashes: Bytes
    run_order: number
    registered_at: string
    expires_at: string
  }
  registration: Omit<Before['registration_before'], 'entry_hashes'> & {
    entries: number
    last_entry_hash: Bytes
  }
}

export const rendezvous: Migration = {
  async up(db: Kysely<unknown>) {
    const { schema } = db
    await schema.dropIndex('registration_expiry').execute()
    await schema.alterTable('registration').renameTo('registration_before').execute()
    await schema
      .createTable('registration')
      .addColumn('guid', 'text', (column) => column.primaryKey())
      .addColumn('to1d', 'blob')
      .addColumn('device_key', 'blob')
      .addColumn('owner_key', 'blob', (column) => column.notNull())
      .addColumn('entries', 'integer', (column) => column.notNull())
      .addColumn('last_entry_hash', 'blob', (column) => column.notNull())
      .addColumn('run_order', 'bigint', (column) => column.notNull())
      .addColumn('withdrawal', 'bigint')
      .addColumn('registered_at', 'text', (column) => column.notNull())
      .addColumn('expires_at', 'text')
      .execute()
    await schema
      .createIndex('registration_expiry')
      .on('registration')
      .column('expires_at')
      .execute()
    await schema
      .createIndex('registration_owner')
      .on('registration')
      .columns(['owner_key', 'guid'])
      .execute()
    await moveRegistrations(db as Kysely<Before>)
    await schema.dropTable('registration_before').execute()
    await schema
      .createTable('registration_alarm')
      .addColumn('guid', 'text', (column) => column.notNull())
      .addColumn('owner_key', 'blob', (column) => column.notNull())
      .addColumn('times', 'integer', (column) => column.notNull())
      .addColumn('entries', 'integer', (column) => column.notNull())
      .addColumn('source', 'text', (column) => column.notNull())
      .addColumn('first_at', 'text', (column) => column.notNull())
      .addColumn('last_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('registration_alarm_once', ['guid', 'owner_key'])
      .execute()
    await schema
      .createIndex('to0_job_addresses')
      .on('to0_job')
      .columns(['addresses', 'guid'])
      .execute()
  },
}

const SLICE = 1000
const SHA256_BYTES = 32

async function moveRegistrations(db: Kysely<Before>): Promise<void> {
  let after = ''
  for (;;) {
    const rows = await db
      .selectFrom('registration_before')
      .selectAll()
      .where('guid', '>', after)
      .orderBy('guid')
      .limit(SLICE)
      .execute()
    if (rows.length === 0) return
    for (const { entry_hashes, owner_key, ...row } of rows) {
      const moved = {
        ...row,
        owner_key: createHash('sha256').update(owner_key).digest(),
        entries: entry_hashes.length / SHA256_BYTES,
        last_entry_hash: entry_hashes.slice(-SHA256_BYTES),
      }
      await db.insertInto('registration').values(moved).execute()
      after = row.guid
    }
  }
}
