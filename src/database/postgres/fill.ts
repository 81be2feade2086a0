/** An empty database of a PostgreSQL server filled with the rows of another, in one transaction. */
import pg from 'pg'
import { accompanied } from '../alongside.ts'
import type { Database } from '../database.ts'
import { migrations } from '../migrations/index.ts'
import {
  DatabaseNotEmpty,
  type Row,
  type Snapshot,
  type TableShape,
  migrationsOf,
  oursOf,
} from '../rows.ts'
import { tablesOf } from './dump.ts'
import { executorOver, storable } from './executor.ts'
import { schemaOf } from './inspect.ts'
import { bringTo, migrating, requireUnicode, watch } from './migrate.ts'

/** See fillDatabase. Whoever else starts with this database waits. */
export function fillPostgres<T>(
  url: string,
  snapshot: Snapshot,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  return migrating(url, async (client) => {
    if ((await schemaOf(client)).had.length > 0) {
      throw new DatabaseNotEmpty('the database that DATABASE_URL names is in use already')
    }
    await requireUnicode(client)
    await bringTo(client, migrationsOf(snapshot))
    await load(client, snapshot)
    await bringTo(client, migrations)
    await watch(client)
    return work(databaseWithin(client))
  })
}

async function load(client: pg.Client, snapshot: Snapshot): Promise<void> {
  const there = await tablesOf(client)
  const tables = oursOf(
    snapshot,
    there.map(({ name }) => name),
  )
  for (const table of tables.toReversed()) await clear(client, table)
  for (const table of tables) {
    for await (const rows of snapshot.rowsOf(table)) await insert(client, table, rows)
  }
  await countOn(client)
}

/** To delete nothing is refused, too, where nothing may be deleted. */
async function clear(client: pg.Client, { name }: TableShape): Promise<void> {
  const from = pg.escapeIdentifier(name)
  const { rows } = await client.query(`select from ${from} limit 1`)
  if (rows.length > 0) await client.query(`delete from ${from}`)
}

async function insert(
  client: pg.Client,
  { name, columns }: TableShape,
  rows: readonly Row[],
): Promise<void> {
  const into = columns.map((column) => pg.escapeIdentifier(column)).join()
  let last = 0
  const values = rows.map(() => `(${columns.map(() => `$${++last}`).join()})`).join()
  const text = `insert into ${pg.escapeIdentifier(name)} (${into}) values ${values}`
  await client.query(text, rows.flat().map(storable))
}

/** Rows brought numbers of their own: the next are given out behind the highest. */
async function countOn(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ table: string; column: string }>(`
    select table_name::text as table, column_name::text as column from information_schema.columns
    where table_schema = current_schema() and is_identity = 'YES'`)
  for (const { table, column } of rows) {
    const [from, highest] = [pg.escapeIdentifier(table), pg.escapeIdentifier(column)]
    await client.query(
      `select setval(pg_get_serial_sequence($1, $2), coalesce(max(${highest}), 0) + 1, false) from ${from}`,
      [from, column],
    )
  }
}

/** As long as its transaction lasts, which is not its own. */
function databaseWithin(client: pg.Client): Database {
  const db = executorOver(
    (query) => client.query(query),
    (effect) => effect(),
  )
  let moves = 0
  return {
    db,
    commit: (work) => accompanied(work)(db),
    waiting: () => 0,
    changesOf: () => ++moves,
    isAlive: async () => true,
    async emptyLog() {},
    async close() {},
  }
}
