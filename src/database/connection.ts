/**
 * One SQLite connection, two ways in: from outside a transaction, which waits until none is open,
 * and from inside the one that is. So nobody reads what may yet be rolled back.
 */
import type SQLite from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  DeleteQueryNode,
  type Driver,
  InsertQueryNode,
  Kysely,
  type OperationNode,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  TableNode,
  UpdateQueryNode,
} from 'kysely'
import { PreparedStatements } from './prepared.ts'
import type { Tables } from './tables.ts'

/** What stores take: `database.db`, or the `tx` of a commit. */
export type Executor = Kysely<Tables>

export class Connection {
  readonly sqlite: SQLite.Database
  /** For use outside transactions. */
  readonly outside: Executor
  /** For use inside the transaction that is open. */
  readonly inside: Executor
  readonly #statements: PreparedStatements
  readonly #changes = new Map<TableName, number>()
  #open: Promise<void> | undefined

  constructor(sqlite: SQLite.Database) {
    this.sqlite = sqlite
    this.#statements = new PreparedStatements(sqlite)
    this.outside = this.#executor(() => this.#quiet())
    this.inside = this.#executor(() => this.#insideOnly())
  }

  prepare(sql: string): SQLite.Statement {
    return this.#statements.prepare(sql)
  }

  /** See Database.changesOf: of what others wrote, SQLite tells only that they did. */
  changesOf(table: TableName): number {
    const byOthers = this.prepare('pragma data_version').pluck().get() as number
    return byOthers + this.#changesHere(table)
  }

  /** To be called before every statement, with the table that it writes to. */
  noteChange(table: TableName | undefined): void {
    if (table !== undefined) this.#changes.set(table, this.#changesHere(table) + 1)
  }

  #changesHere(table: TableName): number {
    return this.#changes.get(table) ?? 0
  }

  /** Runs `work` with a transaction open; `begin` may be retried, nothing has happened yet. */
  async transaction<T>(begin: () => Promise<void>, work: () => Promise<T>): Promise<T> {
    await this.#quiet()
    const { promise, resolve } = withResolvers()
    this.#open = promise
    try {
      await begin()
      const result = await work()
      this.prepare('commit').run()
      return result
    } catch (error) {
      // A full disk makes SQLite roll back by itself.
      if (this.sqlite.inTransaction) this.prepare('rollback').run()
      throw error
    } finally {
      this.#open = undefined
      resolve()
    }
  }

  /** Undefined at once, with no transaction open: the hot path need not wait for a promise. */
  waitFor(executor: Executor): Promise<void> | undefined {
    if (executor === this.inside) {
      this.#insideOnly()
      return undefined
    }
    return this.#open && this.#quiet()
  }

  async #quiet(): Promise<void> {
    while (this.#open) await this.#open
  }

  #insideOnly(): void {
    if (!this.#open) throw new Error('a transaction was used after its end')
  }

  #executor(entrance: () => Promise<void> | void): Executor {
    const driver = new OneConnectionDriver(this, entrance)
    const executor = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => driver,
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    })
    connections.set(executor, this)
    return executor
  }
}

const connections = new WeakMap<Executor, Connection>()

export function connectionOf(executor: Executor): Connection {
  const connection = connections.get(executor)
  if (!connection) throw new Error('not an executor of this database')
  return connection
}

class OneConnectionDriver implements Driver {
  readonly #connection: DatabaseConnection
  readonly #entrance: () => Promise<void> | void

  constructor(connection: Connection, entrance: () => Promise<void> | void) {
    this.#connection = { executeQuery: (query) => run(connection, query), streamQuery }
    this.#entrance = entrance
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#entrance()
    return this.#connection
  }

  beginTransaction(): Promise<void> {
    return Promise.reject(new Error('use database.commit, which groups transactions'))
  }

  async init(): Promise<void> {}
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

type TableName = keyof Tables

/** Undefined for a query that only reads. */
export function tableWrittenBy(query: OperationNode): TableName | undefined {
  if (InsertQueryNode.is(query)) return nameOf(query.into)
  if (UpdateQueryNode.is(query)) return nameOf(query.table)
  return DeleteQueryNode.is(query) ? nameOf(query.from.froms[0]) : undefined
}

function nameOf(node: OperationNode | undefined): TableName {
  if (!node || !TableNode.is(node)) throw new Error('a write to something that has no name')
  return node.table.identifier.name as TableName
}

async function run<R>(connection: Connection, query: CompiledQuery): Promise<QueryResult<R>> {
  const statement = connection.prepare(query.sql)
  connection.noteChange(tableWrittenBy(query.query))
  if (statement.reader) return { rows: statement.all(...query.parameters) as R[] }
  const { changes } = statement.run(...query.parameters)
  return { rows: [], numAffectedRows: BigInt(changes) }
}

// eslint-disable-next-line require-yield
async function* streamQuery(): AsyncIterableIterator<never> {
  throw new Error('this database answers whole queries only')
}

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}
