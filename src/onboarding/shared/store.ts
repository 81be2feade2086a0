/** Files in pieces, as rows. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type {
  ContentPieceTable,
  ContentTable,
  UploadPieceTable,
} from '../../database/tables/files.ts'

export type ContentRow = ContentTable
type Named = Pick<ContentRow, 'place' | 'sha384'>

export const findContent = statement((db, p: Named) =>
  db.selectFrom('content').selectAll().where('place', '=', p.place).where('sha384', '=', p.sha384),
)

export const addContent = statement((db, row: ContentRow) =>
  db
    .insertInto('content')
    .values({ place: row.place, sha384: row.sha384, length: row.length, kept_at: row.kept_at }),
)

/** How many of them there were. */
export const keepContent = statement((db, p: Named & { kept_at: string }) =>
  db
    .updateTable('content')
    .set({ kept_at: p.kept_at })
    .where('place', '=', p.place)
    .where('sha384', '=', p.sha384),
)

export const addContentPiece = statement((db, row: ContentPieceTable) =>
  db
    .insertInto('content_piece')
    .values({ place: row.place, sha384: row.sha384, number: row.number, bytes: row.bytes }),
)

export const findContentPiece = statement((db, p: Named & { number: number }) =>
  db
    .selectFrom('content_piece')
    .select('bytes')
    .where('place', '=', p.place)
    .where('sha384', '=', p.sha384)
    .where('number', '=', p.number),
)

export async function listContents(db: Executor, place: string): Promise<string[]> {
  const rows = await db
    .selectFrom('content')
    .select('sha384')
    .where('place', '=', place)
    .orderBy('sha384')
    .execute()
  return rows.map(({ sha384 }) => sha384)
}

export function listAllContents(db: Executor): Promise<Named[]> {
  return db.selectFrom('content').select(['place', 'sha384']).execute()
}

export async function removeContent(tx: Executor, { place, sha384 }: Named): Promise<boolean> {
  for (const table of ['content_piece', 'content'] as const) {
    const { numDeletedRows } = await tx
      .deleteFrom(table)
      .where('place', '=', place)
      .where('sha384', '=', sha384)
      .executeTakeFirstOrThrow()
    if (table === 'content') return numDeletedRows > 0n
  }
  return false
}

export const listKeptBefore = statement((db, p: { place: string; before: string }) =>
  db
    .selectFrom('content')
    .select('sha384')
    .where('place', '=', p.place)
    .where('kept_at', '<', p.before),
)

type OfUpload = Pick<UploadPieceTable, 'device_id' | 'run_id' | 'name'>

export const addUploadPiece = statement((db, row: UploadPieceTable) =>
  db.insertInto('upload_piece').values({
    device_id: row.device_id,
    run_id: row.run_id,
    name: row.name,
    offset: row.offset,
    bytes: row.bytes,
  }),
)

/** From the one that begins at or before this offset on. */
export const listUploadPieces = statement(
  (db, p: OfUpload & { from: number; to: number; limit: number }) =>
    db
      .selectFrom('upload_piece')
      .select(['offset', 'bytes'])
      .where('device_id', '=', p.device_id)
      .where('run_id', '=', p.run_id)
      .where('name', '=', p.name)
      .where('offset', '>=', p.from)
      .where('offset', '<', p.to)
      .orderBy('offset')
      .limit(p.limit),
)

/** Where the piece begins that has this byte. */
export const findPieceAt = statement((db, p: OfUpload & { offset: number }) =>
  db
    .selectFrom('upload_piece')
    .select('offset')
    .where('device_id', '=', p.device_id)
    .where('run_id', '=', p.run_id)
    .where('name', '=', p.name)
    .where('offset', '<=', p.offset)
    .orderBy('offset', 'desc')
    .limit(1),
)

export const removeUpload = statement((db, p: OfUpload) =>
  db
    .deleteFrom('upload_piece')
    .where('device_id', '=', p.device_id)
    .where('run_id', '=', p.run_id)
    .where('name', '=', p.name),
)

export const removeUploadsOfRun = statement((db, p: Omit<OfUpload, 'name'>) =>
  db.deleteFrom('upload_piece').where('device_id', '=', p.device_id).where('run_id', '=', p.run_id),
)

export const removeAllUploadPieces = statement((db, _: object) => db.deleteFrom('upload_piece'))

/** Those that have a byte, in the order of their numbers. */
export const listKeptUploads = statement((db, p: { after: number; limit: number }) =>
  db
    .selectFrom('upload')
    .select(['id', 'device_id', 'run_id', 'name'])
    .where('id', '>', p.after)
    .where('is_kept', '=', 1)
    .where('length', '>', 0)
    .orderBy('id')
    .limit(p.limit),
)
