/** A database of a PostgreSQL server, read out while others read and write: no tool of its is needed. */
import pg from 'pg'
import {
  BATCH_BYTES,
  type DatabaseDump,
  type Row,
  type Snapshot,
  type TableShape,
  inBatches,
  parentsFirst,
  sizeOf,
} from '../rows.ts'
import { settingsOf } from './connections.ts'
import { postgresInspection, schemaOf } from './inspect.ts'

export function postgresDump(url: string): DatabaseDump {
  return { driver: 'postgresql', ...postgresInspection(url), snapshot: () => snapshotOf(url) }
}

/** One transaction sees the database as of its beginning, and holds nobody up. */
async function snapshotOf(url: string): Promise<Snapshot> {
  const client = new pg.Client(settingsOf(url))
  // Lost while nothing is asked: the next question fails.
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query('begin isolation level repeatable read read only')
    // All of each table is wanted, in whatever order it lies there.
    await client.query('set local enable_seqscan = on')
    const { had: migrations } = await schemaOf(client)
    const tables = await tablesOf(client)
    return {
      migrations,
      tables,
      rowsOf: (table) => rowsOf(client, table),
      close: () => client.end(),
    }
  } catch (error) {
    await client.end()
    throw error
  }
}

export async function tablesOf(client: pg.Client): Promise<readonly TableShape[]> {
  const { rows } = await client.query<{ table: string; columns: string[]; parents: string[] }>(`
    select relname::text as table,
      array(select attname::text from pg_attribute
        where attrelid = pg_class.oid and attnum > 0 and not attisdropped order by attnum) as columns,
      array(select distinct other.relname::text from pg_constraint
        join pg_class other on other.oid = confrelid
        where conrelid = pg_class.oid and contype = 'f') as parents
    from pg_class
    where relnamespace = current_schema()::regnamespace and relkind = 'r'
      and relname not like 'kysely\\_%'
    order by relname`)
  const byName = new Map(rows.map((row) => [row.table, row]))
  const names = parentsFirst([...byName.keys()], (name) => byName.get(name)?.parents ?? [])
  return names.map((name) => ({ name, columns: byName.get(name)?.columns ?? [] }))
}

/** Those to come may be longer than those before. */
const FIRST = 16
const MOST = 256

/** As many at a time as are about one batch, by the size of those before. */
async function* rowsOf(client: pg.Client, table: TableShape): AsyncGenerator<readonly Row[]> {
  const columns = table.columns.map((name) => pg.escapeIdentifier(name)).join()
  const from = pg.escapeIdentifier(table.name)
  await client.query(`declare rows no scroll cursor for select ${columns} from ${from}`)
  for (let count = FIRST; ;) {
    const { rows } = await client.query<Row & unknown[]>({
      text: `fetch ${count} from rows`,
      rowMode: 'array',
    })
    if (rows.length === 0) break
    yield* inBatches(rows, table)
    const each = rows.reduce((sum, row) => sum + sizeOf(row), 0) / rows.length
    count = Math.min(MOST, Math.max(1, Math.round(BATCH_BYTES / each)))
  }
  await client.query('close rows')
}
