/**
 * Lists are read by index whatever they are narrowed to: what is rare among millions is not found by
 * looking at all of them. Each index begins with what is looked for and goes on in the list's order.
 * Where there are very many rows it may have been made before, while the service was running.
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
  device_serial_number: ['device', 'party', 'serial', 'id'],
  certificate_status: ['certificate', 'party', 'status', 'serial'],
}

export const lists: Migration = {
  async up({ schema }: Kysely<unknown>) {
    for (const [name, [table, ...columns]] of Object.entries(INDEXES)) {
      await schema.createIndex(name).ifNotExists().on(table).columns(columns).execute()
    }
    // That of credentials alone leaves out the certificates that devices are made with.
    await schema
      .createIndex('certificate_of_device')
      .ifNotExists()
      .on('certificate')
      .column('device_id')
      .where(sql.ref('device_id'), 'is not', null)
      .execute()
    for (const replaced of ['device_serial', 'certificate_device']) {
      await schema.dropIndex(replaced).execute()
    }
  },
}
