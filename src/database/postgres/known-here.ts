/**
 * Who runs on a database: each process holds a lock of its session's that names the newest migration
 * it knows, and that ends with the process, however that ends. Nobody waits for it.
 */
import type pg from 'pg'
import { type Known, numberOf } from '../upgrade.ts'

/** Several installations may share a database, each in a schema of its own. */
const KIND = `hashtext('firstlight ' || current_schema())`

export async function announce(client: pg.ClientBase, known: Known): Promise<void> {
  await client.query(`select pg_advisory_lock_shared(${KIND}, $1)`, [newestOf(known)])
}

/** The newest migrations that processes know, the caller's own among them; the oldest first. */
export async function newestKnown(client: pg.ClientBase): Promise<readonly number[]> {
  const { rows } = await client.query<{ newest: number }>(
    `select objid::int as newest from pg_locks
     where locktype = 'advisory' and objsubid = 2 and granted and classid = ${KIND}::oid
       and database = (select oid from pg_database where datname = current_database())
     order by newest`,
  )
  return rows.map(({ newest }) => newest)
}

function newestOf(known: Known): number {
  return Math.max(...Object.keys(known).map(numberOf))
}
