/** What is kept of the files of plans and devices, wherever the database has it kept. */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, isOnPostgres } from './database.ts'

interface Kept {
  readonly database: Pick<Database, 'db'>
  readonly dataDir: string
}

/** By the hashes of their names. */
export async function keptUploads({ database, dataDir }: Kept): Promise<string[]> {
  if (!isOnPostgres) return filesBelow(join(dataDir, 'uploads'))
  const rows = await database.db.selectFrom('upload_piece').select('name').distinct().execute()
  return rows.map(({ name }) => createHash('sha256').update(name).digest('hex'))
}

/** By the hashes of their bytes. */
export async function keptContents({ database, dataDir }: Kept): Promise<string[]> {
  if (!isOnPostgres) return filesBelow(join(dataDir, 'contents'))
  const copies = filesBelow(join(dataDir, 'cache', 'contents'))
  const rows = await database.db.selectFrom('content').select('sha384').execute()
  return [...new Set([...copies, ...rows.map(({ sha384 }) => sha384)])]
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
  return all.filter((entry) => entry.isFile()).map(({ name }) => name)
}
