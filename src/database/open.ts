/** Opens the database and brings its tables up to date. */
import type { Database } from './database.ts'
import { openSqlite } from './sqlite/open.ts'

export type { CommitOptions, Database } from './database.ts'

/** `path` may be `:memory:`. The file is made, readable by its owner only, if there is none. */
export function openDatabase(path: string): Promise<Database> {
  return openSqlite(path)
}
