/** A PostgreSQL database looked at from outside, and left as it is. */
import pg from 'pg'
import { settingsOf } from './connections.ts'

export interface Inspection {
  /** What is wrong, in words, or undefined. */
  findFlaw(): Promise<string | undefined>
  /** Those the database has had, by their names. */
  migrations(): Promise<readonly string[]>
}

export function postgresInspection(url: string): Inspection {
  return {
    findFlaw: () =>
      using(url, async (client) => {
        const { rows } = await client.query<{ held: boolean }>('select pg_is_in_recovery() as held')
        return rows[0]?.held ? 'the server is a standby: nothing can be written there' : undefined
      }),
    migrations: () => using(url, migrationsHad),
  }
}

export async function migrationsHad(client: pg.Client): Promise<readonly string[]> {
  const { rows: tables } = await client.query<{ there: boolean }>(
    `select to_regclass('kysely_migration') is not null as there`,
  )
  if (!tables[0]?.there) return []
  const { rows } = await client.query<{ name: string }>(
    'select name from kysely_migration order by name',
  )
  return rows.map(({ name }) => name)
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
