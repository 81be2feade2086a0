/** A database read out and filled again: of the same kind, of the other, and of versions before. */
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, utf8 } from '../../../../protocol/bytes.ts'
import { AuditLog } from '../../../../src/audit/log.ts'
import { settleAll } from '../../../../src/audit/settle.ts'
import { entriesFrom } from '../../../../src/audit/store.ts'
import { type Config, databasePlace } from '../../../../src/config.ts'
import { dumpOf } from '../../../../src/database/dump.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import type { Row } from '../../../../src/database/rows.ts'
import { filesOf } from '../../../../src/onboarding/files.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { pack } from '../../../../src/operations/backup/archive.ts'
import { backUp } from '../../../../src/operations/backup/back-up.ts'
import { recipientOf, wrapKey } from '../../../../src/operations/backup/envelope.ts'
import type { Manifest } from '../../../../src/operations/backup/manifest.ts'
import { pieceKey, sealPieces } from '../../../../src/operations/backup/pieces.ts'
import { restoreBackup } from '../../../../src/operations/backup/restore.ts'
import { isOnPostgres } from '../../../support/database.ts'
import {
  type DataDirectory,
  cleanConfig,
  dataDirectory,
  servicesOf,
} from '../../../support/data-directory.ts'

const { publicKey, privateKey } = generateKeyPairSync('x25519')
const recipients = [recipientOf(String(publicKey.export({ type: 'spki', format: 'pem' })), 'k')]
const AT = '2026-01-02T03:04:05.000Z'
const GUID = 'a1'.repeat(16)
const stamps = { created_at: AT, updated_at: AT }

let data: DataDirectory | undefined
let clean: Config | undefined
beforeEach(() => {
  data = clean = undefined
})
afterEach(() => data?.remove())

async function begin({ from, to }: { from: boolean; to: boolean }) {
  data = await dataDirectory({ onSqlite: from })
  await furnish(data.database)
  clean = await cleanConfig(data.file('clean'), { onSqlite: to })
  return { data, clean, file: data.file('a.backup') }
}

/** What is hard to carry: rows that point at others, numbers given out, bytes, nothing, odd text. */
async function furnish({ db }: Database): Promise<void> {
  const party = HOME_PARTY
  await db
    .insertInto('device_group')
    .values({ party, name: 'gruppe\n“ü”', scopes: '', ...stamps })
    .execute()
  const device = {
    id: 'fdod_a',
    party,
    guid: GUID,
    serial: null,
    model: '',
    group_name: 'gruppe\n“ü”',
  }
  await db
    .insertInto('device')
    .values({
      ...device,
      state: 'waiting',
      last_error: null,
      ...stamps,
      onboarded_at: null,
    } as never)
    .execute()
  for (let i = 0; i < 40; i++) {
    const upload = {
      device_id: 'fdod_a',
      run_id: 'ef'.repeat(16),
      name: `n${i}`,
      length: 2 ** 40 + i,
    }
    await db
      .insertInto('upload')
      .values({ ...upload, is_kept: 1, created_at: AT })
      .execute()
  }
  await db.deleteFrom('upload').where('name', '=', 'n3').execute()
  for (const [name, bytes] of [
    ['none', 0],
    ['many', 700_000],
  ] as const) {
    const answer = randomBytes(bytes)
    const request = { principal: 'p', key: name, party, request_hash: '', runner: 'r' }
    const state = { state: 'done' as const, status: 200, content_type: null, answer }
    await db
      .insertInto('idempotency')
      .values({ ...request, ...state, lease_until: AT, expires_at: '2099' })
      .execute()
  }
}

/** What a restoration adds to, and what one kind of database alone has. */
const OTHERWISE = [
  ...['api_token', 'audit_entry', 'audit_pending', 'setting', 'lease', 'sealing_key'],
  ...['content', 'content_piece', 'upload_piece'],
]

async function contentOf(config: Config): Promise<Record<string, string[]>> {
  const snapshot = await (await dumpOf(databasePlace(config))).snapshot()
  const content: Record<string, string[]> = {}
  for (const table of snapshot.tables.filter(({ name }) => !OTHERWISE.includes(name))) {
    const rows: string[] = []
    for await (const batch of snapshot.rowsOf(table)) {
      for (const row of batch) rows.push(textOf(table.columns, row))
    }
    content[table.name] = rows.toSorted()
  }
  await snapshot.close()
  return content
}

const textOf = (columns: readonly string[], row: Row) => {
  const shown = row.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
  )
  const named = columns.map((name, i) => [name, shown[i]] as const)
  return JSON.stringify(named.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const restore = (file: string, config: Config) =>
  restoreBackup({ config, clock: data!.clock }, file, privateKey)

describe.each([
  { name: 'the kind of database that tests run on', from: false, to: false, isOffered: true },
  { name: 'SQLite to PostgreSQL', from: true, to: false, isOffered: isOnPostgres },
  { name: 'PostgreSQL to SQLite', from: false, to: true, isOffered: isOnPostgres },
])('by a back-up: $name', ({ from, to, isOffered }) => {
  it.runIf(isOffered)(
    'every row is there again, and the next have numbers of their own',
    async () => {
      const { data, clean, file } = await begin({ from, to })
      await backUp(await servicesOf(data), file, recipients)
      const before = await contentOf(data.config)
      await restore(file, clean)
      expect(await contentOf(clean)).toEqual(before)
      expect(before['upload']).toHaveLength(39)

      const database = await openDatabase(databasePlace(clean))
      const upload = {
        device_id: 'fdod_a',
        run_id: 'ef'.repeat(16),
        name: 'next',
        length: 1,
        is_kept: 0,
      }
      const inserted = await database.db
        .insertInto('upload')
        .values({ ...upload, created_at: AT })
        .returning('id')
        .executeTakeFirstOrThrow()
      expect(inserted.id).toBe(41)
      await database.close()
    },
  )

  it.runIf(isOffered)('what plans send and devices have sent is there again', async () => {
    const { data, clean, file } = await begin({ from, to })
    const at = { database: data.database, clock: data.clock, config: data.config }
    const before = filesOf(at)
    const bytes = randomBytes(600_000)
    const { ref } = await before.contents.put('fdop_other', bytes)
    await before.contents.lend(utf8('lent'))
    const upload = { deviceId: 'fdod_a', runId: 'ab'.repeat(16), name: 'log' }
    const [device_id, run_id] = [upload.deviceId, upload.runId]
    const about = { name: 'log', length: 6, is_kept: 1, created_at: AT }
    await data.database.commit(async (tx) => {
      await before.uploads.write(upload, 0, utf8('abc'), tx)
      await before.uploads.write(upload, 3, utf8('def'), tx)
      await before.uploads.write({ ...upload, name: 'half' }, 0, utf8('x'), tx)
      await tx
        .insertInto('upload')
        .values({ device_id, run_id, ...about })
        .execute()
    })
    await backUp(await servicesOf(data), file, recipients)
    await restore(file, clean)

    const database = await openDatabase(databasePlace(clean))
    const after = filesOf({ database, clock: data.clock, config: clean })
    await after.adopt()
    expect(await after.contents.list('fdop_other')).toEqual([ref.split('/')[1]])
    const read = await after.contents.read(ref, 0, 600_000)
    expect(Buffer.from(read).equals(bytes)).toBe(true)
    expect(String(Buffer.from(await after.uploads.read(upload, 0, 9)))).toBe('abcdef')
    const pieces = await database.db.selectFrom('upload_piece').select('name').execute()
    expect(pieces.some(({ name }) => name === 'log')).toBe(isOnPostgres && !to)
    await database.close()
  })

  it.runIf(isOffered)('what had no place in the log gets it, and the log goes on', async () => {
    const { data, clean, file } = await begin({ from, to })
    const services = await servicesOf(data)
    // Between the settling of the log and the moment of the back-up.
    async function snapshot() {
      const audit = new AuditLog(data)
      const entry = { party: HOME_PARTY, type: 'voucher-deleted', by: 'p', subject: {} } as const
      await data.database.commit((tx) => audit.append(tx, entry))
      return services.dump.snapshot()
    }
    await backUp({ ...services, dump: { ...services.dump, snapshot } }, file, recipients)
    const { forks } = await restore(file, clean)
    const database = await openDatabase(databasePlace(clean))
    await settleAll(database)
    const entries = await entriesFrom(database.db, HOME_PARTY, { from: 1, limit: 10 })
    expect(entries.map(({ type }) => type)).toEqual([
      'voucher-deleted',
      'restored',
      'token-created',
    ])
    const isChained = from || !isOnPostgres
    expect(forks).toMatchObject([{ seq: isChained ? 1 : 0 }])
    await database.close()
  })
})

describe('a back-up of a version that copied SQLite’s file', () => {
  /** As those wrote it. */
  async function makeAsBefore({ database, config, close }: DataDirectory, file: string) {
    const snapshot = await (await dumpOf(config.databaseFile)).snapshot()
    await snapshot.close()
    await database.emptyLog()
    await close()
    const files = {
      database: readFileSync(config.databaseFile),
      'master.key': readFileSync(config.masterKeyFile),
    }
    const sums = Object.entries(files).map(([name, bytes]) => {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      return [name, { bytes: bytes.length, sha256 }] as const
    })
    const { migrations } = snapshot
    const about = { made_at: AT, version: '0.9.0', driver: 'sqlite', migrations }
    const manifest: Manifest = { ...about, files: Object.fromEntries(sums) }
    const key = randomBytes(32)
    const head = utf8(`firstlight-backup 1\n${JSON.stringify(await wrapKey(key, recipients))}\n`)
    async function* all() {
      for (const [name, bytes] of Object.entries(files)) yield { name, content: once(bytes) }
      yield { name: 'manifest.json', content: once(utf8(JSON.stringify(manifest))) }
    }
    const parts: Bytes[] = [head]
    for await (const piece of sealPieces(pieceKey(key, head), pack(all()))) parts.push(piece)
    writeFileSync(file, Buffer.concat(parts))
  }
  async function* once(bytes: Bytes) {
    yield bytes
  }

  it('is restored as those made since are, whatever the database is now', async () => {
    const { data, clean, file } = await begin({ from: true, to: false })
    const before = await contentOf(data.config)
    await makeAsBefore(data, file)
    const { manifest } = await restore(file, clean)
    expect(manifest.version).toBe('0.9.0')
    expect(await contentOf(clean)).toEqual(before)
  })
})
