/** Kysely, and compiled statements, over whatever can carry out a query. */
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely'
import {
  type CompiledStatement,
  type Entrance,
  type Executor,
  type TableName,
  openEntrance,
  tableWrittenBy,
} from '../connection.ts'
import type { Tables } from '../tables.ts'
import type { Query, Result } from './connections.ts'

/** Carries out a query that writes to this table, or to none. */
export type Carrier = (query: Query, writes: TableName | undefined) => Promise<Result>
/** See afterCommit. */
type Later = (effect: () => void) => void

export function executorOver(carry: Carrier, later: Later): Executor {
  const executor = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new CarrierDriver(carry),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  })
  openEntrance(executor, new PostgresEntrance(carry, later))
  return executor
}

class PostgresEntrance implements Entrance {
  readonly dialect = 'postgres'
  readonly afterCommit: Later
  readonly #carry: Carrier

  constructor(carry: Carrier, later: Later) {
    this.#carry = carry
    this.afterCommit = later
  }

  async all(statement: CompiledStatement, values: unknown[]): Promise<unknown[]> {
    return (await this.#carryOut(statement, values)).rows
  }

  async first(statement: CompiledStatement, values: unknown[]): Promise<unknown> {
    return (await this.#carryOut(statement, values)).rows[0]
  }

  async run(statement: CompiledStatement, values: unknown[]): Promise<number> {
    return (await this.#carryOut(statement, values)).rowCount ?? 0
  }

  #carryOut({ sql, name, writes }: CompiledStatement, values: unknown[]): Promise<Result> {
    return this.#carry({ text: sql, name, values: values.map(storable) }, writes)
  }
}

class CarrierDriver implements Driver {
  readonly #connection: DatabaseConnection

  constructor(carry: Carrier) {
    this.#connection = { executeQuery: (query) => execute(carry, query), streamQuery }
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  beginTransaction(): Promise<void> {
    return Promise.reject(new Error('use database.commit, which repeats what collided'))
  }

  async init(): Promise<void> {}
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

async function execute<R>(carry: Carrier, compiled: CompiledQuery): Promise<QueryResult<R>> {
  const query = { text: compiled.sql, values: compiled.parameters.map(storable) }
  const { rows, rowCount } = await carry(query, tableWrittenBy(compiled.query))
  return { rows: rows as R[], numAffectedRows: BigInt(rowCount ?? 0) }
}

/** PostgreSQL has no NUL in text: it becomes what everything becomes that is no Unicode. */
export function storable(value: unknown): unknown {
  return typeof value === 'string' && value.includes('\0')
    ? value.replaceAll('\0', '\ufffd')
    : value
}

// eslint-disable-next-line require-yield
async function* streamQuery(): AsyncIterableIterator<never> {
  throw new Error('this database answers whole queries only')
}
