/**
 * One SQLite connection, two ways in: from outside a transaction, which waits until none is open,
 * and from inside the one that is. So nobody reads what may yet be rolled back.
 */
import type SQLite from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import {
  type CompiledStatement,
  type Entrance,
  type Executor,
  type TableName,
  entranceOf,
  openEntrance,
  tableWrittenBy,
} from '../connection.ts'
import type { Tables } from '../tables.ts'
import { PreparedStatements } from './prepared.ts'

export class Connection {
  readonly sqlite: SQLite.Database
  /** For use outside transactions. */
  readonly outside: Executor
  /** For use inside the transaction that is open. */
  readonly inside: Executor
  readonly #statements: PreparedStatements
  readonly #changes = new Map<TableName, number>()
  #open: Promise<void> | undefined
  #effects: (() => void)[] = []

  constructor(sqlite: SQLite.Database) {
    this.sqlite = sqlite
    this.#statements = new PreparedStatements(sqlite)
    const outside = { wait: () => this.#open && this.#quiet(), later: (effect: Effect) => effect() }
    this.outside = this.#executor(outside)
    this.inside = this.#executor({
      wait: () => this.#insideOnly(),
      later: (effect) => this.#effects.push(effect),
    })
  }

  /** What is to be done once what has been written since the last call is committed. */
  takeEffects(): readonly Effect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
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

  /** Once no transaction is open. */
  async quiet(): Promise<void> {
    await this.#quiet()
  }

  async #quiet(): Promise<void> {
    while (this.#open) await this.#open
  }

  #insideOnly(): undefined {
    if (!this.#open) throw new Error('a transaction was used after its end')
  }

  #executor(way: Way): Executor {
    const driver = new OneConnectionDriver(this, way.wait)
    const executor = new Kysely<Tables>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => driver,
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    })
    openEntrance(executor, new SqliteEntrance(this, way))
    return executor
  }
}

/** Undefined where nothing is to be waited for: the hot path need not wait for a promise. */
type Wait = () => Promise<void> | undefined
type Effect = () => void

interface Way {
  readonly wait: Wait
  readonly later: (effect: Effect) => void
}

class SqliteEntrance implements Entrance {
  readonly dialect = 'sqlite'
  readonly connection: Connection
  readonly afterCommit: Way['later']
  readonly #wait: Wait

  constructor(connection: Connection, { wait, later }: Way) {
    this.connection = connection
    this.#wait = wait
    this.afterCommit = later
  }

  async all(statement: CompiledStatement, values: unknown[]): Promise<unknown[]> {
    const wait = this.#wait()
    if (wait) await wait
    return this.#prepare(statement).all(...values)
  }

  async first(statement: CompiledStatement, values: unknown[]): Promise<unknown> {
    const wait = this.#wait()
    if (wait) await wait
    return this.#prepare(statement).get(...values)
  }

  async run(statement: CompiledStatement, values: unknown[]): Promise<number> {
    const wait = this.#wait()
    if (wait) await wait
    return this.#prepare(statement).run(...values).changes
  }

  #prepare({ sql, writes }: CompiledStatement): SQLite.Statement {
    this.connection.noteChange(writes)
    return this.connection.prepare(sql)
  }
}

/** Of an executor on SQLite. */
export function connectionOf(executor: Executor): Connection {
  const entrance = entranceOf(executor)
  if (entrance instanceof SqliteEntrance) return entrance.connection
  throw new Error('not an executor of SQLite')
}

class OneConnectionDriver implements Driver {
  readonly #connection: DatabaseConnection
  readonly #wait: Wait

  constructor(connection: Connection, wait: Wait) {
    this.#connection = { executeQuery: (query) => run(connection, query), streamQuery }
    this.#wait = wait
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    await this.#wait()
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
