/** The files of a data directory that belong in a back-up beside the database, and how they are called there. */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bytes } from '../../../protocol/bytes.ts'

/** Of SQLite, as a file: in back-ups of versions that knew no other way. */
export const DATABASE = 'database'
/** A file for each table: see rows.ts. */
export const ROWS = 'rows'
export const MASTER_KEY = 'master.key'
export const MANIFEST = 'manifest.json'

/** What plans send to devices, and what devices have sent, where the database does not have them. */
export const FOLDERS = ['contents', 'uploads']
/** Below them: parties, devices, runs and hashes, and nothing that could lead elsewhere. */
const FILE = /^(?:contents|uploads)(?:\/[0-9A-Za-z_]{1,128}){1,3}$/
const TABLE = /^rows\/[a-z][0-9a-z_]{0,62}$/
const READ_AT_ONCE = 256 * 1024

export function isArchived(name: string): boolean {
  return name === DATABASE || TABLE.test(name) || name === MASTER_KEY || FILE.test(name)
}

/** Names, as they are in the archive. Drafts that are being written have others. */
export async function listFiles(dataDir: string): Promise<readonly string[]> {
  const all = await Promise.all(FOLDERS.map((folder) => namesBelow(dataDir, folder)))
  return all
    .flat()
    .filter((name) => FILE.test(name))
    .toSorted()
}

async function namesBelow(dataDir: string, folder: string): Promise<string[]> {
  try {
    const found = await readdir(join(dataDir, folder), { recursive: true, withFileTypes: true })
    const files = found.filter((one) => one.isFile())
    return files.map(({ parentPath, name }) => join(parentPath, name).slice(dataDir.length + 1))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

export async function* contentOf(path: string): AsyncGenerator<Bytes> {
  const file = await open(path)
  try {
    for (;;) {
      const { bytesRead, buffer } = await file.read(new Uint8Array(READ_AT_ONCE))
      if (bytesRead === 0) return
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
