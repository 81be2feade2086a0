/** Brings a PostgreSQL database's tables up to date, whoever else starts at the same moment. */
import {
  type DatabaseConnection,
  type Driver,
  Kysely,
  Migrator,
  PostgresAdapter,
  PostgresIntrospector,
  sql,
} from 'kysely'
import pg from 'pg'
import { WATCHED } from '../watched.ts'
import { codeOf } from '../portable.ts'
import { DatabaseUnavailable } from '../unavailable.ts'
import {
  type Known,
  MigrationRefused,
  migrationFailed,
  noteOldest,
  numberOf,
  oldestAfter,
  refuseOver,
  upgradeOf,
} from '../upgrade.ts'
import { settingsOf } from './connections.ts'
import { isForbidden, isLoss, isPassing, isSpoilt } from './failure.ts'
import { schemaOf } from './inspect.ts'
import { patiently } from './patience.ts'
import { announce, newestKnown } from './known-here.ts'
import { SchemaCompiler } from './schema.ts'

const PATIENCE_MS = 30_000
/** Whoever waits for a table holds up all who come after: so long at most, and less than they wait. */
const STANDSTILL_MS = 2_000
/** Any number that nobody else takes for a lock of this database. */
const LOCK = 0x0f_d0_00_01

/**
 * All that is missing, or nothing: who dies here has changed nothing, and others wait. Those who come
 * to take something away see this process run, until `leave`: it says so before it looks.
 */
export async function migrate(url: string, known: Known): Promise<{ leave(): Promise<void> }> {
  const client = await connected(url)
  const attempt = () => alone(client, () => upgrade(client, known))
  try {
    await announce(client, known)
    await patiently(attempt, isCollision, PATIENCE_MS)
    return { leave: () => client.end() }
  } catch (error) {
    await client.end()
    throw error
  }
}

/** Alone with the tables as they are made and changed, in one transaction. */
export async function migrating<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connected(url)
  try {
    return await alone(client, () => work(client))
  } finally {
    await client.end()
  }
}

async function alone<T>(client: pg.Client, work: () => Promise<T>): Promise<T> {
  await client.query('begin')
  try {
    await client.query('select pg_advisory_xact_lock($1)', [LOCK])
    const value = await work()
    await client.query('commit')
    return value
  } catch (error) {
    await client.query('rollback').catch(() => {})
    throw refusalOf(error)
  }
}

/** What is to be granted before any tables can be made says so itself. */
function refusalOf(error: unknown): unknown {
  const cause = error instanceof MigrationRefused ? error.cause : error
  if (!(cause instanceof Error) || !isForbidden(cause)) return error
  const next = 'its user has to own the database, on a server that takes writes'
  return new MigrationRefused(`DATABASE_URL: ${cause.message}: ${next}`, { cause })
}

/** Under load the tables are in use: others are let through, and it is tried again. */
function isCollision(error: unknown): boolean {
  const cause = error instanceof MigrationRefused ? error.cause : error
  return isPassing(cause) && !isSpoilt(cause)
}

/** A server that comes up at the same moment is waited for. */
export async function connected(url: string): Promise<pg.Client> {
  const attempt = async () => {
    const client = new pg.Client({ ...settingsOf(url), lock_timeout: PATIENCE_MS })
    client.on('error', () => {})
    await client.connect()
    return client
  }
  try {
    return await patiently(attempt, isLoss)
  } catch (error) {
    const cause = error instanceof DatabaseUnavailable ? error.cause : error
    const reason = cause instanceof Error ? cause.message || codeOf(cause) : String(cause)
    throw new DatabaseUnavailable({ cause }, `the database cannot be opened: ${reason}`)
  }
}

async function upgrade(client: pg.Client, known: Known): Promise<void> {
  const state = await schemaOf(client)
  const { missing, isLater } = upgradeOf(state, known)
  if (isLater) return
  if (state.had.length === 0) await requireUnicode(client)
  await refuseWhileInUse(client, oldestAfter(missing, known))
  await client.query(`set local lock_timeout = ${STANDSTILL_MS}`)
  if (missing.length > 0) await bringTo(client, known)
  await watch(client)
}

/** What a device calls itself may be in any script; others fail at the first that they lack. */
export async function requireUnicode(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ encoding: string }>(
    'select pg_encoding_to_char(encoding) as encoding from pg_database where datname = current_database()',
  )
  const encoding = rows[0]?.encoding
  if (encoding === 'UTF8') return
  const next = 'make it with createdb --encoding=UTF8 --template=template0'
  throw new MigrationRefused(`DATABASE_URL: the database is encoded as ${encoding}: ${next}`)
}

/** Earlier versions that still run would stumble over what is taken away. */
async function refuseWhileInUse(client: pg.Client, oldest: string | undefined): Promise<void> {
  if (oldest === undefined) return
  const earlier = (await newestKnown(client)).filter((newest) => newest < numberOf(oldest))
  if (earlier.length > 0) throw refuseOver('an earlier version that runs', oldest)
}

/** To what these migrations make. */
export async function bringTo(client: pg.Client, known: Known): Promise<void> {
  const { rows } = await client.query<{ schema: string }>('select current_schema() as schema')
  const migrationTableSchema = rows[0]?.schema
  if (!migrationTableSchema) throw new Error('DATABASE_URL: there is no schema to make tables in')
  const provider = { getMigrations: async () => known }
  const driver = new OneClientDriver(client)
  const db = kyselyOver(driver)
  const migrator = new Migrator({ db, provider, migrationTableSchema })
  const { error, results = [] } = await migrator.migrateToLatest()
  const last = results.find(({ status }) => status === 'Error')
  if (error) throw migrationFailed(last?.migrationName, driver.failure ?? error)
  await noteOldest(db, known)
}

function kyselyOver(driver: Driver): Kysely<unknown> {
  return new Kysely<unknown>({
    dialect: {
      createAdapter: () => new LockedAdapter(),
      createDriver: () => driver,
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new SchemaCompiler(),
    },
  })
}

/** What is listened to in changes.ts: written by whomever, each change is told. */
export async function watch(client: pg.Client): Promise<void> {
  const db = kyselyOver(new OneClientDriver(client))
  await sql`
    create or replace function tell_change() returns trigger language plpgsql as $$
    begin
      perform pg_notify('firstlight_changes', tg_table_schema || '.' || tg_table_name);
      return null;
    end $$
  `.execute(db)
  const { rows } = await sql<{ name: string }>`
    select relname as name from pg_trigger join pg_class on pg_class.oid = tgrelid
    where tgname = 'tell_change' and relnamespace = current_schema()::regnamespace
  `.execute(db)
  for (const table of WATCHED) {
    if (rows.some(({ name }) => name === table)) continue
    await sql`
      create trigger tell_change after insert or update or delete or truncate
      on ${sql.table(table)} for each statement execute function tell_change()
    `.execute(db)
  }
}

/** One transaction and one lock are around everything. */
class LockedAdapter extends PostgresAdapter {
  override get supportsTransactionalDdl(): boolean {
    return false
  }
  override async acquireMigrationLock(): Promise<void> {}
  override async releaseMigrationLock(): Promise<void> {}
}

class OneClientDriver implements Driver {
  readonly #connection: DatabaseConnection
  /** The first: whatever is asked after it fails because of that. */
  failure: unknown

  constructor(client: pg.Client) {
    this.#connection = {
      executeQuery: async ({ sql: text, parameters }) => {
        const { rows, rowCount } = await client.query(text, [...parameters]).catch((error) => {
          this.failure ??= error
          throw error
        })
        return { rows, numAffectedRows: BigInt(rowCount ?? 0) }
      },
      streamQuery: () => {
        throw new Error('migrations read whole answers')
      },
    }
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection
  }

  async init(): Promise<void> {}
  async beginTransaction(): Promise<void> {}
  async commitTransaction(): Promise<void> {}
  async rollbackTransaction(): Promise<void> {}
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}
