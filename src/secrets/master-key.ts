/** The master key: a file beside the database, never in it. All keys at rest are sealed under it. */
import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import type { Bytes } from '../../protocol/bytes.ts'

const KEY_BYTES = 32

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

/** Makes a file of one line that its owner alone can read; fails if there is one. */
export function writeSecretFile(file: string, line: string): void {
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
