/**
 * Who has the database open: a lock of the session, which all share and one may want for itself. It
 * ends with the connection, however that ends.
 */
import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { DatabaseInUse } from '../in-use.ts'
import { connected } from './migrate.ts'

/** Any number that nobody else takes for a lock of this database; its other half is the schema's. */
const LOCK = '264241154, hashtext(current_schema())'
/** Of the row that tells who had it alone last. */
const ALONE = 'alone'

/** Nobody else until the connection is closed. Throws DatabaseInUse. */
export async function openAlone(url: string): Promise<pg.Client> {
  const client = await connected(url)
  if (await isTaken(client, `pg_try_advisory_lock(${LOCK})`)) return client
  await client.end()
  throw new DatabaseInUse('a service has the database open')
}

/** For those who are cut off meanwhile, and come back. */
export async function noteAlone(client: pg.Client): Promise<void> {
  await client.query(
    `insert into lease (name, holder, until) values ($1, $2, '')
     on conflict (name) do update set holder = excluded.holder`,
    [ALONE, randomUUID()],
  )
}

/** Gives who had it alone last. Throws DatabaseInUse where somebody has. */
export async function join(client: pg.Client): Promise<string> {
  if (!(await isTaken(client, `pg_try_advisory_lock_shared(${LOCK})`))) {
    throw new DatabaseInUse('somebody works on the database alone')
  }
  const { rows } = await client.query<{ holder: string }>(
    'select holder from lease where name = $1',
    [ALONE],
  )
  return rows[0]?.holder ?? ''
}

async function isTaken(client: pg.Client, attempt: string): Promise<boolean> {
  const { rows } = await client.query<{ taken: boolean }>(`select ${attempt} as taken`)
  return rows[0]?.taken ?? false
}
