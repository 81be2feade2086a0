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
import { type Executor, connectionOf, tableWrittenBy } from './connection.ts'

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

interface Compiled<Params> {
  readonly sql: string
  readonly writes: ReturnType<typeof tableWrittenBy>
  bind(params: Params): unknown[]
}

/** Every member of `p` is a placeholder: it may be compared and stored, not computed with. */
export function statement<Params extends object, Row>(
  build: (db: Executor, p: Params) => Compilable<Row>,
): Statement<Params, Row> {
  let known: Compiled<Params> | undefined

  /** Runs it at once; waits only while another's transaction is open. */
  async function execute<Result>(
    executor: Executor,
    params: Params,
    how: (prepared: SQLite.Statement, values: unknown[]) => Result,
  ): Promise<Result> {
    const connection = connectionOf(executor)
    const wait = connection.waitFor(executor)
    if (wait) await wait
    const { sql, writes, bind } = (known ??= compile(build(executor, placeholders as Params)))
    connection.noteChange(writes)
    return how(connection.prepare(sql), bind(params))
  }

  return {
    all: (executor, params) => execute(executor, params, all<Row>),
    first: (executor, params) => execute(executor, params, first<Row>),
    run: (executor, params) => execute(executor, params, run),
  }
}

function all<Row>(prepared: SQLite.Statement, values: unknown[]): Row[] {
  return prepared.all(...values) as Row[]
}

function first<Row>(prepared: SQLite.Statement, values: unknown[]): Row | undefined {
  return prepared.get(...values) as Row | undefined
}

function run(prepared: SQLite.Statement, values: unknown[]): number {
  return prepared.run(...values).changes
}

function compile<Params extends object>(query: Compilable): Compiled<Params> {
  const { sql, parameters, query: node } = query.compile()
  return {
    sql,
    writes: tableWrittenBy(node),
    bind: (params) =>
      parameters.map((value) =>
        value instanceof Placeholder ? params[value.name as keyof Params] : value,
      ),
  }
}
