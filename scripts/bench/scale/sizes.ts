/** How much room rows take on the disk, by table and index. */
import { sql } from 'kysely'
import { isOnPostgres } from '../../../src/database/connection.ts'
import { openDatabase } from '../../../src/database/open.ts'

export interface Size {
  readonly table: string
  /** Undefined for the rows themselves. */
  readonly index?: string
  readonly bytes: number
}

/** The largest first. */
export async function sizesOf(place: string): Promise<readonly Size[]> {
  const database = await openDatabase(place)
  try {
    const query = isOnPostgres(database.db) ? OF_POSTGRES : OF_SQLITE
    const { rows } = await query.execute(database.db)
    return rows.map(({ owner, name, bytes }) => ({
      table: owner,
      // SQLite calls the index of a primary key by the table's name.
      ...(name !== owner && { index: name.replace(/^sqlite_autoindex_(\w+)_\d+$/, '$1_pkey') }),
      bytes: Number(bytes),
    }))
  } finally {
    await database.close()
  }
}

interface Row {
  readonly owner: string
  readonly name: string
  readonly bytes: number
}

const OF_SQLITE = sql<Row>`
  select schema.tbl_name as owner, stat.name as name, sum(stat.pgsize) as bytes
  from dbstat as stat join sqlite_schema as schema on schema.name = stat.name
  where stat.aggregate = true
  group by 1, 2 order by bytes desc`

/** A table with what is kept beside it. */
const OF_POSTGRES = sql<Row>`
  select owner, name, bytes from (
    select relname as owner, relname as name, pg_table_size(oid) as bytes
    from pg_class where relkind = 'r' and relnamespace = current_schema()::regnamespace
    union all
    select of.relname, index.relname, pg_relation_size(index.oid)
    from pg_index join pg_class as index on index.oid = indexrelid
      join pg_class as of on of.oid = indrelid
    where index.relnamespace = current_schema()::regnamespace
  ) as sizes order by bytes desc`
