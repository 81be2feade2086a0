/** Prepared statements of one SQLite connection, each SQL text prepared once. */
import type SQLite from 'better-sqlite3'

const MOST_KEPT = 500

export class PreparedStatements {
  readonly #sqlite: SQLite.Database
  readonly #statements = new Map<string, SQLite.Statement>()

  constructor(sqlite: SQLite.Database) {
    this.#sqlite = sqlite
  }

  prepare(sql: string): SQLite.Statement {
    const known = this.#statements.get(sql)
    if (known) return known
    const statement = this.#sqlite.prepare(sql)
    if (this.#statements.size >= MOST_KEPT) this.#forgetOldest()
    this.#statements.set(sql, statement)
    return statement
  }

  #forgetOldest(): void {
    for (const sql of this.#statements.keys()) {
      this.#statements.delete(sql)
      return
    }
  }
}
