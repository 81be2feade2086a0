/**
 * A query compiled once. Kysely builds and checks it; what runs on the hot path is the finished
 * SQL on a prepared statement, several times cheaper than compiling it for every call.
 *
 *     const findToken = statement((db, p: { id: string }) =>
 *       db.selectFrom('api_token').select(['hash']).where('id', '=', p.id))
 *     await findToken.first(executor, { id })
 */
import type { Compilable } from 'kysely'
import {
  type CompiledStatement,
  type Entrance,
  type Executor,
  entranceOf,
  tableWrittenBy,
} from './connection.ts'

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

interface Compiled<Params> extends CompiledStatement {
  bind(params: Params): unknown[]
}

/** Every member of `p` is a placeholder: it may be compared and stored, not computed with. */
export function statement<Params extends object, Row>(
  build: (db: Executor, p: Params) => Compilable<Row>,
): Statement<Params, Row> {
  const known: Partial<Record<Entrance['dialect'], Compiled<Params>>> = {}

  function compiledFor(executor: Executor, { dialect }: Entrance): Compiled<Params> {
    return (known[dialect] ??= compile(build(executor, placeholders as Params)))
  }

  /** Without an `async` of its own, of which the hot path has enough. */
  function carryOut<Way extends 'all' | 'first' | 'run'>(
    way: Way,
    executor: Executor,
    params: Params,
  ): ReturnType<Entrance[Way]> {
    try {
      const entrance = entranceOf(executor)
      const compiled = compiledFor(executor, entrance)
      return entrance[way](compiled, compiled.bind(params)) as ReturnType<Entrance[Way]>
    } catch (error) {
      return Promise.reject(error) as ReturnType<Entrance[Way]>
    }
  }

  return {
    all: (executor, params) => carryOut('all', executor, params) as Promise<Row[]>,
    first: (executor, params) => carryOut('first', executor, params) as Promise<Row | undefined>,
    run: (executor, params) => carryOut('run', executor, params),
  }
}

let compiledSoFar = 0

function compile<Params extends object>(query: Compilable): Compiled<Params> {
  const { sql, parameters, query: node } = query.compile()
  return {
    sql,
    name: `s${++compiledSoFar}`,
    writes: tableWrittenBy(node),
    bind: (params) =>
      parameters.map((value) =>
        value instanceof Placeholder ? params[value.name as keyof Params] : value,
      ),
  }
}
