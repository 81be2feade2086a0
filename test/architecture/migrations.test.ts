/** A migration that says programs before it can go on takes nothing from them, nor asks for anything. */
import SQLite from 'better-sqlite3'
import { Kysely, SqliteDialect } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrations } from '../../src/database/migrations/index.ts'
import { numberOf } from '../../src/database/upgrade.ts'

const NAMES = Object.keys(migrations).toSorted()

/** What programs know of a table: what they rely on, and what binds them. */
interface Shape {
  readonly columns: ReadonlyMap<string, Column>
  /** The columns of each. */
  readonly keys: ReadonlySet<string>
  readonly bonds: ReadonlySet<string>
}

interface Column {
  readonly name: string
  readonly type: string
  readonly notnull: number
  readonly dflt_value: string | null
  readonly pk: number
}

let sqlite: SQLite.Database
let db: Kysely<unknown>
beforeEach(() => {
  sqlite = new SQLite(':memory:')
  db = new Kysely({ dialect: new SqliteDialect({ database: sqlite }) })
})
afterEach(() => db.destroy())

function shapeOf(table: string): Shape {
  const columns = sqlite.pragma(`table_info(${table})`) as Column[]
  const indices = sqlite.pragma(`index_list(${table})`) as { name: string; unique: number }[]
  const columnsOf = (index: string) =>
    (sqlite.pragma(`index_info(${index})`) as Column[]).map(({ name }) => name).join()
  const triggers = sqlite
    .prepare(`select name from sqlite_schema where type = 'trigger' and tbl_name = ?`)
    .pluck()
    .all(table) as string[]
  const others = sqlite.pragma(`foreign_key_list(${table})`) as { from: string; table: string }[]
  return {
    columns: new Map(columns.map((column) => [column.name, column])),
    keys: new Set(indices.flatMap(({ name, unique }) => (unique ? [columnsOf(name)] : []))),
    bonds: new Set([...triggers, ...others.map((other) => `${other.from} in ${other.table}`)]),
  }
}

function shapes(): Map<string, Shape> {
  const tables = sqlite
    .prepare(`select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'`)
    .pluck()
    .all() as string[]
  return new Map(tables.map((table) => [table, shapeOf(table)]))
}

/** In words, what programs that knew the schema before would stumble over. */
function stumblingBlocks(before: Map<string, Shape>, after: Map<string, Shape>): string[] {
  return Array.from(before).flatMap(([table, was]) => {
    const is = after.get(table)
    return is ? blocksIn(was, is).map((block) => `${table}: ${block}`) : [`no ${table}`]
  })
}

function blocksIn(was: Shape, is: Shape): string[] {
  const columns = Array.from(is.columns.values())
  const isLeftOut = (name: string) => !was.columns.has(name) && !is.columns.get(name)?.notnull
  const keys = [...is.keys].filter((key) => !was.keys.has(key) && !key.split(',').some(isLeftOut))
  return [
    ...Array.from(was.columns.values())
      .filter(({ name, type, notnull }) => {
        const now = is.columns.get(name)
        return now?.type !== type || now.notnull < notnull
      })
      .map(({ name }) => `${name} is not what it was`),
    ...columns
      .filter(({ name, notnull, dflt_value, pk }) => {
        const wasAsked = was.columns.get(name)?.notnull ?? 0
        return notnull > wasAsked && dflt_value === null && pk === 0
      })
      .map(({ name }) => `${name} must be given`),
    ...[...was.keys].filter((key) => !is.keys.has(key)).map((key) => `more than one ${key}`),
    ...keys.map((key) => `no second ${key}`),
    ...[...is.bonds].filter((bond) => !was.bonds.has(bond)),
  ]
}

describe('every migration', () => {
  it('that is to be borne by programs before it is', async () => {
    const found: Record<string, string[]> = {}
    for (const name of NAMES) {
      const before = shapes()
      await migrations[name]!.up(db)
      const { oldest } = migrations[name]!
      const taken = stumblingBlocks(before, shapes())
      if (oldest === undefined && taken.length > 0) found[name] = taken
    }
    expect(found).toEqual({})
  })

  it('that takes something away names itself, or one before it', () => {
    for (const name of NAMES) {
      const { oldest = name } = migrations[name]!
      expect(NAMES, name).toContain(oldest)
      expect(oldest <= name, name).toBe(true)
    }
  })

  it('has a number of its own, in four digits', () => {
    expect(NAMES.filter((name) => !/^\d{4}-[a-z-]+$/.test(name))).toEqual([])
    expect(new Set(NAMES.map(numberOf)).size).toBe(NAMES.length)
  })
})
