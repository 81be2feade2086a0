/** The master key: a file beside the database, never in it. All keys at rest are sealed under it. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { Database } from '../database/open.ts'
import type { Sealer } from './seal.ts'
import { findMasterKeyCheck, storeMasterKeyCheck } from './store.ts'

const KEY_BYTES = 32
const CHECK = 'master-key-check'

/** What an administrator must put right before the service can start. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** Reads the key, or makes one where there is neither a key nor a database that would need it. */
export function loadMasterKey(file: string, databaseExists: boolean): Bytes {
  const mode = modeOf(file)
  if (mode === undefined) {
    if (databaseExists) {
      throw new StartRefused(
        `${file} is missing, and the database beside it cannot be read without it: restore the ` +
          'file, or set FIRSTLIGHT_MASTER_KEY_FILE to where it is',
      )
    }
    return makeMasterKey(file)
  }
  if (mode & 0o077) {
    throw new StartRefused(`${file} can be read by others: chmod 600 ${file}`)
  }
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
  if (key.length !== KEY_BYTES) {
    throw new StartRefused(`${file} does not hold a master key: 32 bytes in base64url`)
  }
  return key
}

function makeMasterKey(file: string): Bytes {
  const key = randomBytes(KEY_BYTES)
  writeSecretFile(file, key.toString('base64url'))
  return key
}

/** Whether there is something in the database that one opens. */
export async function hasMasterKey(database: Database): Promise<boolean> {
  return (await findMasterKeyCheck(database.db)) !== undefined
}

/**
 * Refuses a key that is not this database's. What it must open is sealed once, on the first start, by
 * the first of several processes.
 */
export async function checkMasterKey(
  database: Database,
  sealer: Sealer,
  file: string,
): Promise<void> {
  if (!(await hasMasterKey(database))) {
    const check = sealer.seal(CHECK, utf8(CHECK))
    await database.commit((tx) => storeMasterKeyCheck(tx, check), { durable: true })
  }
  const sealed = await findMasterKeyCheck(database.db)
  if (!sealed || !sealer.open(CHECK, sealed)) {
    throw new StartRefused(`${file} holds another key than the database was made with`)
  }
}

/** Puts a file of one line that its owner alone can read in the place of what was there. */
export function replaceSecretFile(file: string, line: string): void {
  const draft = `${file}.new`
  rmSync(draft, { force: true })
  writeSecretFile(draft, line)
  renameSync(draft, file)
}

/** Makes such a file; fails if there is one. */
function writeSecretFile(file: string, line: string): void {
  const fd = openSync(file, 'wx', 0o600)
  try {
    writeSync(fd, `${line}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function modeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mode
}
