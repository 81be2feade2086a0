/** What devices have uploaded. */
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import type { UploadTable } from '../database/tables/onboarding.ts'

export type UploadRow = Omit<UploadTable, 'id'> & { readonly id: number }

/** Done again where a message was not committed after all. */
export const recordUpload = statement((db, row: Omit<UploadRow, 'id' | 'is_kept'>) =>
  db
    .insertInto('upload')
    .values({
      device_id: row.device_id,
      run_id: row.run_id,
      name: row.name,
      length: row.length,
      is_kept: 0,
      created_at: row.created_at,
    })
    .onConflict((conflict) =>
      conflict.columns(['device_id', 'run_id', 'name']).doUpdateSet({ length: row.length }),
    ),
)

interface OfRun {
  readonly deviceId: string
  readonly runId: string
}

export const keepUploads = statement((db, p: OfRun) =>
  db
    .updateTable('upload')
    .set({ is_kept: 1 })
    .where('device_id', '=', p.deviceId)
    .where('run_id', '=', p.runId)
    .where('length', '>=', 0),
)

export const dropUploads = statement((db, p: OfRun) =>
  db
    .deleteFrom('upload')
    .where('device_id', '=', p.deviceId)
    .where('run_id', '=', p.runId)
    .where('is_kept', '=', 0),
)

/** What runs that nobody ended have left. */
export const dropForgottenUploads = statement((db, p: { before: string }) =>
  db
    .deleteFrom('upload')
    .where('is_kept', '=', 0)
    .where('created_at', '<', p.before)
    .returning(['device_id', 'run_id', 'name']),
)

export const findUpload = statement((db, p: { id: number }) =>
  db.selectFrom('upload').selectAll().where('id', '=', p.id).where('is_kept', '=', 1),
)

export function listUploads(
  db: Executor,
  page: {
    readonly deviceId: string
    readonly limit: number
    readonly after?: number | undefined
  },
) {
  let query = db
    .selectFrom('upload')
    .selectAll()
    .where('device_id', '=', page.deviceId)
    .where('is_kept', '=', 1)
    .orderBy('id')
    .limit(page.limit)
  if (page.after !== undefined) query = query.where('id', '>', page.after)
  return query.execute()
}
