/** A database that nobody else has open, for what must not happen behind a service's back. */
import SQLite from 'better-sqlite3'
import { DatabaseInUse } from '../in-use.ts'
import { isBusy } from './group-commit.ts'

/** Whoever has a database open in WAL mode holds a lock on its file, which this mode wants for itself. */
export function openAlone(path: string): SQLite.Database {
  const sqlite = new SQLite(path, { fileMustExist: true, timeout: 0 })
  try {
    sqlite.pragma('locking_mode = EXCLUSIVE')
    sqlite.exec('begin exclusive; commit')
    return sqlite
  } catch (cause) {
    sqlite.close()
    if (!isBusy(cause)) throw cause
    throw new DatabaseInUse(`${path} is in use`, { cause })
  }
}
