/**
 * A query compiled once. Kysely builds and checks it; what runs on the hot path is the finished
 * SQL on a prepared statement, several times cheaper than compiling it for every call.
 *
 *     const findToken = statement((db, p: { id: string }) =>
 *       db.selectFrom('api_token').select(['hash']).where('id', '=', p.id))
 *     await findToken.first(executor, { id })
 */
import type { Compilable } from 'kysely'
import type SQLite from 'better-sqlite3'
import { type Executor, connectionOf } from './connection.ts'

export interface Statement<Params, Row> {
  all(executor: Executor, params: Params): Promise<Row[]>
  first(executor: Executor, params: Params): Promise<Row | undefined>
  /** How many rows it changed. */
  run(executor: Executor, params: Params): Promise<number>
}

/** Stands in the query for a value that comes with each call. */
class Placeholder {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }
}

const placeholders = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) })

/** Every member of `p` is a placeholder: it may be compared and stored, not computed with. */
export function statement<Params extends object, Row>(
  build: (db: Executor, p: Params) => Compilable<Row>,
): Statement<Params, Row> {
  let compiled: { sql: string; bind: (params: Params) => unknown[] } | undefined

  /** The prepared statement, ready to run; waits while another's transaction is open. */
  async function ready(executor: Executor): Promise<SQLite.Statement> {
    const connection = connectionOf(executor)
    const wait = connection.waitFor(executor)
    if (wait) await wait
    compiled ??= compile(build(executor, placeholders as Params))
    return connection.prepare(compiled.sql)
  }
  const values = (params: Params) => compiled?.bind(params) ?? []

  return {
    all: async (executor, params) => (await ready(executor)).all(...values(params)) as Row[],
    first: async (executor, params) =>
      (await ready(executor)).get(...values(params)) as Row | undefined,
    run: async (executor, params) => (await ready(executor)).run(...values(params)).changes,
  }
}

function compile<Params extends object>(query: Compilable) {
  const { sql, parameters } = query.compile()
  const bind = (params: Params) =>
    parameters.map((value) =>
      value instanceof Placeholder ? params[value.name as keyof Params] : value,
    )
  return { sql, bind }
}
