/** Files of plans and of devices, where several machines have no disk in common: see onboarding/shared. */
import type { Kysely, Migration } from 'kysely'

export const sharedFiles: Migration = {
  async up({ schema }: Kysely<unknown>) {
    await schema
      .createTable('content')
      .addColumn('place', 'text', (column) => column.notNull())
      .addColumn('sha384', 'text', (column) => column.notNull())
      .addColumn('length', 'bigint', (column) => column.notNull())
      .addColumn('kept_at', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('content_once', ['place', 'sha384'])
      .execute()
    await schema
      .createTable('content_piece')
      .addColumn('place', 'text', (column) => column.notNull())
      .addColumn('sha384', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('bytes', 'blob', (column) => column.notNull())
      .addPrimaryKeyConstraint('content_piece_once', ['place', 'sha384', 'number'])
      .execute()
    await schema
      .createTable('upload_piece')
      .addColumn('device_id', 'text', (column) => column.notNull())
      .addColumn('run_id', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('offset', 'bigint', (column) => column.notNull())
      .addColumn('bytes', 'blob', (column) => column.notNull())
      .addPrimaryKeyConstraint('upload_piece_once', ['device_id', 'run_id', 'name', 'offset'])
      .execute()
  },
}
