/**
 * Lists are read by index whatever they are narrowed to: what is rare among millions is not found by
 * looking at all of them. Each index begins with what is looked for and goes on in the list's order.
 */
import { type Kysely, type Migration, sql } from 'kysely'

const INDEXES: Readonly<Record<string, readonly [table: string, ...columns: string[]]>> = {
  voucher_state: ['voucher', 'party', 'state', 'guid'],
  voucher_origin: ['voucher', 'party', 'origin', 'guid'],
  voucher_model: ['voucher', 'party', 'device_info', 'guid'],
  voucher_arrival: ['voucher', 'party', 'created_at', 'guid'],
  device_state: ['device', 'party', 'state', 'id'],
  device_model: ['device', 'party', 'model', 'id'],
  // A group that is removed is looked for here, too.
  device_group_member: ['device', 'party', 'group_name', 'id'],
  device_serial: ['device', 'party', 'serial', 'id'],
  certificate_status: ['certificate', 'party', 'status', 'serial'],
}

export const lists: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema.dropIndex('device_serial').execute()
    for (const [name, [table, ...columns]] of Object.entries(INDEXES)) {
      await schema.createIndex(name).on(table).columns(columns).execute()
    }
    // That of credentials alone leaves out the certificates that devices are made with.
    await schema.dropIndex('certificate_device').execute()
    await schema
      .createIndex('certificate_device')
      .on('certificate')
      .column('device_id')
      .where(sql.ref('device_id'), 'is not', null)
      .execute()
  },
}
