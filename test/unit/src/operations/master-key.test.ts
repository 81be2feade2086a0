/** Another master key: everything opens under it, nothing under the one before, whenever one dies. */
import { copyFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { settleAll } from '../../../../src/audit/settle.ts'
import { entriesFrom } from '../../../../src/audit/store.ts'
import { databasePlace } from '../../../../src/config.ts'
import { openDatabase } from '../../../../src/database/open.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { SealingKeys } from '../../../../src/fdo/sealing-keys.ts'
import { expectKeysOpen } from '../../../../src/operations/backup/keys.ts'
import { rotateMasterKey } from '../../../../src/operations/master-key/rotate.ts'
import { SEALED } from '../../../../src/operations/master-key/sealed.ts'
import { pooledRandomBytes } from '../../../../src/randomness.ts'
import { checkMasterKey, loadMasterKey } from '../../../../src/secrets/master-key.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { ROOT } from '../../../architecture/source-files.ts'
import { type DataDirectory, dataDirectory } from '../../../support/data-directory.ts'
import { isOnPostgres } from '../../../support/database.ts'

let data: DataDirectory
let keyFile: string
beforeEach(async () => {
  data = await dataDirectory()
  keyFile = data.config.masterKeyFile
})
afterEach(() => data.remove())

const key = () => readFileSync(keyFile, 'utf8')

/** Rotates as a command does, once the service has stopped. */
async function rotate(): Promise<number> {
  await data.close()
  return rotateMasterKey(data)
}

async function expectAllOpen(): Promise<void> {
  const database = await openDatabase(databasePlace(data.config))
  try {
    await expectKeysOpen({ database, clock: data.clock }, keyFile)
  } finally {
    await database.close()
  }
}

describe('rotating the master key', () => {
  it('seals everything anew: private keys, sealing keys, secrets of webhooks and partners, answers', async () => {
    const { database, clock, sealer } = data
    const sealing = { database, clock, sealer, randomBytes: pooledRandomBytes() }
    const token = await (await SealingKeys.load(sealing)).seal('run', utf8('state'))
    const at = clock.now().toISOString()
    const webhook = { id: 'w1', party: HOME_PARTY, url: 'https://a', types: '*', cursor: 0 }
    const idle = { revision: 1, attempts: 0, failing_since: null, last_error: null }
    const secret = sealer.seal('webhook:w1', utf8('s1'))
    const row = {
      ...webhook,
      ...idle,
      secret,
      state: 'active' as const,
      next_at: at,
      created_at: at,
    }
    await database.db
      .insertInto('webhook')
      .values({ ...row, last_delivered_at: null })
      .execute()
    const before = key()
    expect(await rotate()).toBe(3)
    expect(key()).not.toBe(before)
    await expectAllOpen()

    const again = await openDatabase(databasePlace(data.config))
    const rotated = new Sealer(loadMasterKey(keyFile, true))
    const stored = await again.db.selectFrom('webhook').select('secret').executeTakeFirstOrThrow()
    expect(rotated.open('webhook:w1', stored.secret)).toEqual(Buffer.from('s1'))
    const keys = await SealingKeys.load({ ...sealing, database: again, sealer: rotated })
    expect(await keys.open('run', token)).toEqual(Buffer.from('state'))
    await settleAll(again)
    const [entry] = await entriesFrom(again.db, HOME_PARTY, { from: 1, limit: 5 })
    expect(entry).toMatchObject({ type: 'master-key-rotated', detail: { sealed: 3 } })
    await again.close()
  })

  it('leaves one key file, and no byte of what was sealed before', async () => {
    const row = await data.database.db
      .selectFrom('private_key')
      .select('wrapped')
      .executeTakeFirstOrThrow()
    await rotate()
    expect(readdirSync(data.config.dataDir).filter((name) => name.includes('key'))).toEqual([
      'master.key',
    ])
    if (isOnPostgres) return
    expect(readFileSync(data.config.databaseFile).includes(Buffer.from(row.wrapped))).toBe(false)
  })

  it('is refused while somebody has the database open, and changes nothing', async () => {
    const before = key()
    await expect(rotateMasterKey(data)).rejects.toMatchObject({ code: 'in-use' })
    expect(key()).toBe(before)
    expect(existsSync(`${keyFile}.next`)).toBe(false)
  })

  it('changes nothing where something does not open', async () => {
    const { db } = data.database
    await db
      .updateTable('private_key')
      .set({ wrapped: Buffer.alloc(40) })
      .execute()
    const before = key()
    await expect(rotate()).rejects.toMatchObject({ code: 'not-sealed' })
    expect(key()).toBe(before)
    const database = await openDatabase(databasePlace(data.config))
    await checkMasterKey(database, new Sealer(loadMasterKey(keyFile, true)), keyFile)
    await database.close()
  })

  it('that died before its commit is as if it had not begun', async () => {
    writeFileSync(`${keyFile}.next`, `${Buffer.alloc(32, 1).toString('base64url')}\n`, {
      mode: 0o600,
    })
    await data.close()
    await expectAllOpen()
    await rotate()
    await expectAllOpen()
  })

  it('that died after its commit is finished by whoever starts next', async () => {
    const before = data.file('before.key')
    copyFileSync(keyFile, before)
    await rotate()
    copyFileSync(keyFile, `${keyFile}.next`)
    copyFileSync(before, keyFile)
    await expectAllOpen()
    expect(existsSync(`${keyFile}.next`)).toBe(false)
    await rotate()
  })
})

describe('what is sealed', () => {
  /** Whoever seals something with the master key, and where that is kept. */
  const KNOWN: Readonly<Record<string, string | null>> = {
    'src/secrets/key-store.ts': 'private_key',
    'src/secrets/master-key.ts': null,
    'src/fdo/sealing-keys.ts': 'sealing_key',
    'src/webhooks/service.ts': 'webhook',
    'src/transfer/partners/service.ts': 'partner',
    'src/http/idempotency/service.ts': 'idempotency',
    // Given out, and good for minutes.
    'src/transfer/key-proof/service.ts': null,
    // Under the sealing keys.
    'src/fdo/sealed-session.ts': null,
    'src/fdo/runs.ts': null,
    'src/operations/master-key/rotate.ts': null,
  }

  it('is known to the rotation: a new kind has to be told here, and there', () => {
    const paths = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    const sealing = paths
      .filter((path) => path.endsWith('.ts'))
      .map((path) => join('src', path))
      .filter((path) => /\.seal\(/.test(readFileSync(join(ROOT, path), 'utf8')))
    expect(sealing.toSorted()).toEqual(Object.keys(KNOWN).toSorted())
    const kept = Object.values(KNOWN).filter((table) => table !== null)
    expect(SEALED.map(({ table }) => table).toSorted()).toEqual(kept.toSorted())
  })
})
