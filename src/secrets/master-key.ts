/** The master key: a file beside the database, never in it. All keys at rest are sealed under it. */
import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { Database } from '../database/open.ts'
import { codeOf } from '../database/portable.ts'
import { Sealer } from './seal.ts'
import { findMasterKeyCheck, storeFirstMasterKeyCheck } from './store.ts'

const KEY_BYTES = 32
const CHECK = 'master-key-check'

/** What an administrator must put right before the service can start. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

/** Where the next key waits while everything is sealed under it: see operations/master-key. */
export function nextKeyFile(file: string): string {
  return `${file}.next`
}

/** Reads the key, or makes one where there is neither a key nor a database that would need it. */
export function loadMasterKey(file: string, databaseExists: boolean): Bytes {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) {
    if (databaseExists) {
      throw new StartRefused(
        `${file} is missing, and the database beside it cannot be read without it: restore the ` +
          'file, or set FIRSTLIGHT_MASTER_KEY_FILE to where it is',
      )
    }
    makeFirstKey(file)
    return readKey(file)
  }
  refuseIfOpenToOthers(file, found)
  return readKey(file)
}

/** Of several that start in one folder at the same moment the first one's stays, written whole. */
function makeFirstKey(file: string): void {
  const draft = `${file}.${randomBytes(8).toString('hex')}`
  makeMasterKey(draft)
  try {
    linkSync(draft, file)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
}

function readKey(file: string): Bytes {
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
  if (key.length !== KEY_BYTES) {
    throw new StartRefused(`${file} does not hold a master key: 32 bytes in base64url`)
  }
  return key
}

/** Fails if there is one. */
export function makeMasterKey(file: string): Bytes {
  const key = randomBytes(KEY_BYTES)
  writeSecretFile(file, key.toString('base64url'))
  return key
}

/** What a database keeps to tell its master key by. */
export function sealCheck(sealer: Sealer): Bytes {
  return sealer.seal(CHECK, utf8(CHECK))
}

/** Whether there is something in the database that one opens. */
export async function hasMasterKey(database: Database): Promise<boolean> {
  return (await findMasterKeyCheck(database.db)) !== undefined
}

/**
 * Refuses a key that is not this database's. What it must open is sealed once, on the first start, by
 * the first of several processes. Gives the sealer to use: where a rotation was killed after it had
 * sealed everything under the next key, that key is put in its place.
 */
export async function checkMasterKey(
  database: Database,
  sealer: Sealer,
  file: string,
): Promise<Sealer> {
  if (!(await hasMasterKey(database))) {
    const check = sealCheck(sealer)
    await database.commit((tx) => storeFirstMasterKeyCheck(tx, check), { durable: true })
  }
  const sealed = await findMasterKeyCheck(database.db)
  if (!sealed) throw new Error('what tells the master key was stored, and is not there')
  if (sealer.open(CHECK, sealed)) return sealer
  const next = nextKeyFile(file)
  if (existsSync(next)) {
    const rotated = new Sealer(readKey(next))
    if (rotated.open(CHECK, sealed)) {
      renameSync(next, file)
      return rotated
    }
  }
  throw new StartRefused(`${file} holds another key than the database was made with`)
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

/**
 * A secret that a platform hands to an unprivileged process may be another user's, and readable by the
 * group we are in: Kubernetes and systemd do so. Our own files have no reason for that.
 */
export function refuseIfOpenToOthers(
  file: string,
  { mode, uid }: { readonly mode: number; readonly uid: number },
): void {
  const closed = uid === process.getuid?.() ? 0o077 : 0o037
  if (mode & closed) throw new StartRefused(`${file} can be read by others: chmod 600 ${file}`)
}
