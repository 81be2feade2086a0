/**
 * Rows by the million, without the days that onboarding so many devices would take: copies of what the
 * service itself wrote for some vouchers it took in and registered, in every table and with all their
 * indexes. GUIDs, device ids and serial numbers are each copy's own, as long as real ones and as
 * random; what only the signature covers is not looked at by anything that is measured.
 */
import { sql } from 'kysely'
import type { Progress } from '../../../src/cli/output.ts'
import { type Executor, isOnPostgres } from '../../../src/database/connection.ts'
import { openDatabase } from '../../../src/database/open.ts'
import { NAME_PREFIXES } from '../../../src/prefixes.ts'

/** What belongs to a voucher: by which column a row is found, and which are its own in each copy. */
const COPIED = {
  voucher: { by: 'guid', own: { guid: 'guid', device_id: 'device_id' } },
  device: { by: 'guid', own: { id: 'device_id', guid: 'guid', serial: 'serial' } },
  device_event: { by: 'device_id', own: { device_id: 'device_id' } },
  to0_job: { by: 'guid', own: { guid: 'guid' } },
  registration: { by: 'guid', own: { guid: 'guid' } },
  audit_entry: { by: 'guid', own: { guid: 'guid', device_id: 'device_id' } },
} as const
type Copied = keyof typeof COPIED

const BATCH = 10_000
/** PostgreSQL has processes for as many at once. */
const LANES = 2

export interface LaidDown {
  readonly vouchers: number
  readonly seconds: number
  /** By table: rows for each voucher. */
  readonly rows: Readonly<Record<string, number>>
}

/** As many copies as make `count` vouchers of what is there, which is all to be copied. */
export async function layDown(
  place: string,
  count: number,
  progress: (label: string, total: number) => Progress,
): Promise<LaidDown> {
  const database = await openDatabase(place)
  const { db } = database
  try {
    const started = performance.now()
    if (!isOnPostgres(db)) await hurry(db)
    const models = await rememberModels(db)
    const rows = await rowsEach(db, models)
    const missing = Math.max(0, count - models)
    const bar = progress('laying down rows', missing)
    const columns = await columnsOf(db)
    const firstEntry = await nextEntry(db)
    const entries = BATCH * Math.ceil(rows.audit_entry)
    let next = 0
    const lane = async (table: string) => {
      while (next * BATCH < missing) {
        const batch = next++
        const size = Math.min(BATCH, missing - batch * BATCH)
        await copy(db, { table, size, models, columns, firstEntry: firstEntry + batch * entries })
        bar.advance(size)
      }
    }
    const lanes = isOnPostgres(db) ? LANES : 1
    await Promise.all(Array.from({ length: lanes }, (_, i) => lane(`bench_copy_${i}`)))
    bar.stop()
    await sql`drop table bench_model`.execute(db)
    await database.emptyLog()
    return { vouchers: models + missing, seconds: (performance.now() - started) / 1000, rows }
  } finally {
    await database.close()
  }
}

/** What is laid down is thrown away when the machine stops in between. */
async function hurry(db: Executor): Promise<void> {
  const settings = ['synchronous = off', 'secure_delete = off', 'cache_size = -1000000']
  for (const setting of settings) await sql`pragma ${sql.raw(setting)}`.execute(db)
}

/** Numbers the vouchers that are there, from 0; gives how many. */
async function rememberModels(db: Executor): Promise<number> {
  await sql`create table bench_model (i bigint primary key, guid text, device_id text)`.execute(db)
  await sql`insert into bench_model (i, guid, device_id)
    select row_number() over (order by guid) - 1, guid, device_id from voucher`.execute(db)
  return countOf(db, sql`select count(*) as n from bench_model`)
}

async function rowsEach(db: Executor, models: number): Promise<Record<Copied, number>> {
  const rows: [string, number][] = []
  for (const [name, { by }] of Object.entries(COPIED)) {
    const there = await countOf(
      db,
      sql`select count(*) as n from ${sql.table(name)} as one
        where one.${sql.ref(by)} in (select ${sql.ref(by)} from bench_model)`,
    )
    rows.push([name, there / models])
  }
  return Object.fromEntries(rows) as Record<Copied, number>
}

async function columnsOf(db: Executor): Promise<Record<Copied, readonly string[]>> {
  const found: [string, readonly string[]][] = []
  for (const name of Object.keys(COPIED)) {
    const { rows } = await sql<object>`select * from ${sql.table(name)} limit 1`.execute(db)
    found.push([name, Object.keys(rows[0] ?? {})])
  }
  return Object.fromEntries(found) as Record<Copied, readonly string[]>
}

function nextEntry(db: Executor): Promise<number> {
  return countOf(db, sql`select max(seq) + 1 as n from audit_entry`)
}

interface Batch {
  /** Where its names are noted. */
  readonly table: string
  readonly size: number
  readonly models: number
  readonly columns: Record<Copied, readonly string[]>
  readonly firstEntry: number
}

async function copy(db: Executor, batch: Batch): Promise<void> {
  const names = sql.table(batch.table)
  const random = isOnPostgres(db)
    ? sql`replace(gen_random_uuid()::text, '-', '')`
    : sql`lower(hex(randomblob(16)))`
  await sql`drop table if exists ${names}`.execute(db)
  await sql`create table ${names} as
    with recursive numbers (i) as (select 0 union all select i + 1 from numbers where i < ${sql.lit(batch.size - 1)}),
      fresh as (select i, ${random} as guid, ${random} as other from numbers)
    select fresh.guid, model.guid as model_guid, model.device_id as model_device_id,
      ${sql.lit(NAME_PREFIXES.device)} || substr(fresh.other, 1, 26) as device_id,
      'F-' || substr(fresh.other, 1, 14) as serial
    from fresh join bench_model as model on model.i = fresh.i % ${sql.lit(batch.models)}`.execute(
    db,
  )
  for (const name of Object.keys(COPIED) as Copied[]) await copyTable(db, name, batch)
  await sql`drop table ${names}`.execute(db)
}

async function copyTable(db: Executor, name: Copied, batch: Batch): Promise<void> {
  const { by, own } = COPIED[name]
  // An event's number is given by the database.
  const columns = batch.columns[name].filter((one) => !(name === 'device_event' && one === 'seq'))
  const values = columns.map((column) => {
    const taken = (own as Record<string, string>)[column]
    if (taken !== undefined) return sql`fresh.${sql.ref(taken)}`
    if (name === 'audit_entry' && column === 'seq')
      return sql`${sql.lit(batch.firstEntry)} - 1 + row_number() over ()`
    // Nobody's: a change of our addresses leaves them alone.
    if (column === 'addresses') return sql`'~' || substr(old.addresses, 2)`
    return sql`old.${sql.ref(column)}`
  })
  await sql`insert into ${sql.table(name)} (${sql.join(columns.map((one) => sql.ref(one)))})
    select ${sql.join(values)} from ${sql.table(batch.table)} as fresh
    join ${sql.table(name)} as old on old.${sql.ref(by)} = fresh.${sql.ref(`model_${by}`)}`.execute(
    db,
  )
}

async function countOf(db: Executor, query: ReturnType<typeof sql>): Promise<number> {
  const { rows } = await query.execute(db)
  return Number((rows[0] as { n: unknown } | undefined)?.n ?? 0)
}
