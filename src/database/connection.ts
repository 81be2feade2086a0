/**
 * What stores take, and what stands behind it: each Executor belongs to an entrance of one database,
 * from outside its transactions or from inside one of them.
 */
import {
  DeleteQueryNode,
  InsertQueryNode,
  type Kysely,
  type OperationNode,
  TableNode,
  UpdateQueryNode,
} from 'kysely'
import type { Tables } from './tables.ts'

/** What stores take: `database.db`, or the `tx` of a commit. */
export type Executor = Kysely<Tables>

export type TableName = keyof Tables

/** A query that Kysely has written for one dialect. */
export interface CompiledStatement {
  readonly sql: string
  /** No two have the same: a database that is elsewhere keeps the prepared statement under it. */
  readonly name: string
  /** Undefined for a query that only reads. */
  readonly writes: TableName | undefined
}

export interface Entrance {
  readonly dialect: 'sqlite' | 'postgres'
  all(statement: CompiledStatement, values: unknown[]): Promise<unknown[]>
  first(statement: CompiledStatement, values: unknown[]): Promise<unknown>
  /** How many rows it changed. */
  run(statement: CompiledStatement, values: unknown[]): Promise<number>
  afterCommit(effect: () => void): void
}

const entrances = new WeakMap<Executor, Entrance>()

/** From now on the executor's statements go in here. */
export function openEntrance(executor: Executor, entrance: Entrance): void {
  entrances.set(executor, entrance)
}

export function entranceOf(executor: Executor): Entrance {
  const entrance = entrances.get(executor)
  if (!entrance) throw new Error('not an executor of this database')
  return entrance
}

/**
 * Does this once the transaction has been committed, and not at all where it is not. It must not throw.
 * For whoever is not in a transaction it is done at once.
 */
export function afterCommit(tx: Executor, effect: () => void): void {
  entranceOf(tx).afterCommit(effect)
}

export function isOnPostgres(executor: Executor): boolean {
  return entranceOf(executor).dialect === 'postgres'
}

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
