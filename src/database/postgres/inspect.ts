/** A PostgreSQL database looked at from outside, and left as it is. */
import pg from 'pg'
import type { SchemaState } from '../upgrade.ts'
import { settingsOf } from './connections.ts'

export interface Inspection {
  /** What is wrong, in words, or undefined. */
  findFlaw(): Promise<string | undefined>
  /** Those the database has had, by their names. */
  migrations(): Promise<readonly string[]>
  /** What programs must know to run on it: see upgrade.ts. */
  oldest(): Promise<string | undefined>
}

export function postgresInspection(url: string): Inspection {
  return {
    findFlaw: () =>
      using(url, async (client) => {
        const { rows } = await client.query<{ held: boolean; may: boolean | null }>(
          `select pg_is_in_recovery() as held,
             has_schema_privilege(current_schema(), 'create') as may`,
        )
        const [found] = rows
        if (found?.held) return 'the server is a standby: nothing can be written there'
        return found?.may === false ? 'its user may make no tables: it has to own them' : undefined
      }),
    migrations: () => using(url, async (client) => (await schemaOf(client)).had),
    oldest: () => using(url, async (client) => (await schemaOf(client)).oldest),
  }
}

export async function schemaOf(client: pg.ClientBase): Promise<SchemaState> {
  const { rows: tables } = await client.query<{ had: boolean; floor: boolean }>(
    `select to_regclass('kysely_migration') is not null as had,
       to_regclass('schema_floor') is not null as floor`,
  )
  const [there] = tables
  const texts = async (query: string) =>
    (await client.query<{ text: string }>(query)).rows.map(({ text }) => text)
  const had = there?.had ? await texts('select name as text from kysely_migration order by 1') : []
  const [oldest] = there?.floor
    ? await texts('select oldest as text from schema_floor order by 1 desc')
    : []
  return { had, oldest }
}

async function using<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(settingsOf(url))
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
