import { type KeyObject, generateKeyPairSync } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Config, databasePlace } from '../../../../src/config.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import { backUp } from '../../../../src/operations/backup/back-up.ts'
import { type Recipient, recipientOf } from '../../../../src/operations/backup/envelope.ts'
import { sealPieces } from '../../../../src/operations/backup/pieces.ts'
import { checkBackup, restoreBackup } from '../../../../src/operations/backup/restore.ts'
import { findLastBackup } from '../../../../src/operations/backup/store.ts'
import { settleAll } from '../../../../src/audit/settle.ts'
import { entriesFrom } from '../../../../src/audit/store.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { filesOf } from '../../../../src/onboarding/files.ts'
import { SealingKeys } from '../../../../src/fdo/sealing-keys.ts'
import { pooledRandomBytes } from '../../../../src/randomness.ts'
import {
  CONTENT,
  type DataDirectory,
  cleanConfig,
  dataDirectory,
  servicesOf,
} from '../../../support/data-directory.ts'
import { isOnPostgres } from '../../../support/database.ts'

let data: DataDirectory
let file: string
let clean: Config
beforeEach(async () => {
  data = await dataDirectory()
  file = data.file('a.backup')
  clean = await cleanConfig(data.file('clean'))
})
afterEach(() => data.remove())

interface Pair {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const recipientFor = ({ publicKey }: Pair): Recipient =>
  recipientOf(String(publicKey.export({ type: 'spki', format: 'pem' })), 'key.pem')

const KINDS: Readonly<Record<string, () => Pair>> = {
  'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-521': () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  X25519: () => generateKeyPairSync('x25519'),
  RSA: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
}
const pair: Pair = generateKeyPairSync('x25519')

const make = async (...pairs: readonly Pair[]) =>
  backUp(await servicesOf(data), file, (pairs.length > 0 ? pairs : [pair]).map(recipientFor))

const restore = (key = pair.privateKey, config = clean) =>
  restoreBackup({ config, clock: data.clock }, file, key)

async function inRestored<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const restored = await openDatabase(databasePlace(clean))
  return work(restored).finally(() => restored.close())
}

/** The file with one byte of it changed. */
function tamper(at: (length: number) => number): void {
  const bytes = readFileSync(file)
  const index = at(bytes.length)
  bytes[index] = (bytes[index] ?? 0) ^ 1
  writeFileSync(file, bytes)
}

describe('a back-up', () => {
  it.each(Object.keys(KINDS))('is opened by a private key of kind %s', async (kind) => {
    const own = KINDS[kind]?.() ?? pair
    await make(own)
    const { manifest } = await restore(own.privateKey)
    expect(manifest).toMatchObject({ made_at: data.clock.now().toISOString(), version: '1.2.3' })
    expect(readFileSync(clean.masterKeyFile)).toEqual(readFileSync(data.config.masterKeyFile))
    const content = await inRestored(async (database) => {
      const { contents } = filesOf({ database, clock: data.clock, config: clean })
      return contents.read(CONTENT.sha384, 0, 100)
    })
    expect(Buffer.from(content).toString()).toBe(CONTENT.text)
  })

  it('is opened by each of its recipients alone, and by nobody else', async () => {
    const pairs = [KINDS['P-256']?.() ?? pair, KINDS['RSA']?.() ?? pair]
    await make(...pairs)
    for (const { privateKey } of pairs) {
      expect(await checkBackup(file, privateKey)).toMatchObject({
        driver: isOnPostgres ? 'postgresql' : 'sqlite',
      })
    }
    await expect(checkBackup(file, pair.privateKey)).rejects.toMatchObject({ code: 'wrong-key' })
  })

  it('holds no session and no key that sealed one, and nothing readable', async () => {
    const { database, clock, sealer } = data
    const keys = { database, clock, sealer, randomBytes: pooledRandomBytes() }
    await SealingKeys.load(keys)
    expect(await database.db.selectFrom('sealing_key').selectAll().execute()).toHaveLength(1)
    await make()
    expect(readFileSync(file).includes('what devices get')).toBe(false)
    expect(readFileSync(file).includes('SQLite format')).toBe(false)
    await restore()
    const sealing = ({ db }: Database) => db.selectFrom('sealing_key').selectAll().execute()
    expect(await inRestored(sealing)).toEqual([])
  })

  it('is told of: in the log, to whom, and when it was made', async () => {
    const { sha256 } = await make()
    const recipients = [recipientFor(pair).fingerprint]
    await settleAll(data.database)
    const [entry] = await entriesFrom(data.database.db, HOME_PARTY, { from: 1, limit: 10 })
    expect(entry).toMatchObject({ type: 'backup-made', detail: { sha256, recipients } })
    expect(await findLastBackup(data.database.db)).toBe(data.clock.now().toISOString())
  })

  it('of a database of an earlier version leaves that as it is', async () => {
    const { db } = data.database
    await db
      .deleteFrom('kysely_migration' as 'setting')
      .where('name', '=', '0011-voucher-deletion')
      .execute()
    expect(await make()).toMatchObject({ recorded: false })
    expect(await entriesFrom(db, HOME_PARTY, { from: 1, limit: 10 })).toEqual([])
  })

  it('is as of one moment, while others write', async () => {
    const { db } = data.database
    let isDone = false
    let written = 0
    const writing = (async () => {
      while (!isDone) {
        const name = `during-${written}`
        const row = {
          party: HOME_PARTY,
          name,
          value: 'x'.repeat(2_000),
          version: 1,
          updated_at: '',
        }
        await db.insertInto('setting').values(row).execute()
        written++
        await new Promise(setImmediate)
      }
    })()
    await make().finally(() => (isDone = true))
    await writing
    await restore()
    const names = await inRestored(({ db }) =>
      db.selectFrom('setting').select('name').where('name', 'like', 'during-%').execute(),
    )
    expect(names.length).toBeLessThan(written)
    const kept = new Set(names.map(({ name }) => name))
    expect(names.every((_, i) => kept.has(`during-${i}`))).toBe(true)
  })

  it('that was killed leaves nothing in the way of the next', async () => {
    writeFileSync(`${file}.part`, 'half of one')
    await make()
    expect(readdirSync(data.folder).toSorted()).toEqual(['a.backup', 'data'])
  })

  it('overwrites nothing', async () => {
    writeFileSync(file, 'something else')
    await expect(make()).rejects.toMatchObject({ code: 'file' })
    expect(readFileSync(file, 'utf8')).toBe('something else')
  })

  it('lets go of the database when its disk is full', async () => {
    let isOpen = true
    async function* database() {
      try {
        for (;;) yield Buffer.alloc(64 << 10)
      } finally {
        isOpen = false
      }
    }
    for await (const _ of sealPieces(Buffer.alloc(32), database())) break
    expect(isOpen).toBe(false)
  })

  it('is not made where the master key is another, and leaves nothing behind', async () => {
    writeFileSync(data.config.masterKeyFile, `${Buffer.alloc(32).toString('base64url')}\n`)
    await expect(make()).rejects.toThrow(/another key/)
    expect(readdirSync(data.folder)).toEqual(['data'])
  })

  it.skipIf(isOnPostgres)('is not made of a damaged database', async () => {
    await data.close()
    const bytes = readFileSync(data.config.databaseFile)
    bytes.fill(0xff, 4096, 3 * 4096)
    writeFileSync(data.config.databaseFile, bytes)
    await expect(make()).rejects.toThrow()
    expect(existsSync(file)).toBe(false)
  })
})

describe('restoring', () => {
  it.each([
    ['its head', () => 40],
    ['its middle', (length: number) => length >> 1],
    ['its last byte', (length: number) => length - 1],
  ])('refuses a back-up that was changed at %s', async (_, at) => {
    await make()
    tamper(at)
    await expect(restore()).rejects.toMatchObject({ name: 'OperationRefused' })
    expect(readdirSync(clean.dataDir)).toEqual([])
  })

  it('refuses one that was cut short, and one with something behind it', async () => {
    await make()
    const bytes = readFileSync(file)
    writeFileSync(file, bytes.subarray(0, bytes.length >> 1))
    await expect(restore()).rejects.toMatchObject({ code: 'damaged' })
    writeFileSync(file, Buffer.concat([bytes, bytes]))
    await expect(restore()).rejects.toMatchObject({ code: 'damaged' })
  })

  it('refuses what is no back-up', async () => {
    writeFileSync(file, 'firstlight-backup 3\n{}\n')
    await expect(restore()).rejects.toMatchObject({ code: 'not-a-backup' })
    writeFileSync(file, 'firstlight-backup 1\nno JSON\n')
    await expect(restore()).rejects.toMatchObject({ code: 'damaged' })
  })

  it('refuses a directory that holds something, and a key file that is there', async () => {
    await make()
    await expect(restore(pair.privateKey, data.config)).rejects.toMatchObject({ code: 'not-empty' })
    const masterKeyFile = data.file('elsewhere.key', 'kept here')
    const config = { ...clean, masterKeyFile }
    await expect(restore(pair.privateKey, config)).rejects.toMatchObject({ code: 'not-empty' })
    expect(readFileSync(masterKeyFile, 'utf8')).toBe('kept here')
  })

  it('begins anew where an earlier attempt was killed', async () => {
    await make()
    const { dataDir } = clean
    mkdirSync(join(dataDir, '.restoring-abc'), { recursive: true })
    await restore()
    // On PostgreSQL these are in the database, as it is itself.
    const kept = isOnPostgres ? [] : ['contents', 'firstlight.sqlite']
    const files = ['admin.token', ...kept, 'master.key']
    expect(readdirSync(dataDir).toSorted()).toEqual(files)
  })

  it('puts the master key where the configuration says', async () => {
    await make()
    const masterKeyFile = data.file('master.elsewhere')
    await restore(pair.privateKey, { ...clean, masterKeyFile })
    expect(readFileSync(masterKeyFile)).toEqual(readFileSync(data.config.masterKeyFile))
    expect(existsSync(clean.masterKeyFile)).toBe(false)
  })

  it('refuses a back-up of a later version', async () => {
    const services = await servicesOf(data)
    async function snapshot() {
      const now = await services.dump.snapshot()
      return { ...now, migrations: [...now.migrations, '9999-later'] }
    }
    await backUp({ ...services, dump: { ...services.dump, snapshot } }, file, [recipientFor(pair)])
    await expect(restore()).rejects.toMatchObject({ code: 'newer' })
  })

  it('leaves alone a database that somebody has begun to work with', async () => {
    await make()
    mkdirSync(clean.dataDir)
    const begun = await openDatabase(databasePlace(clean))
    await begun.db
      .insertInto('setting')
      .values({ party: HOME_PARTY, name: 'theirs', value: '1', version: 1, updated_at: '' })
      .execute()
    await begun.close()
    await expect(restore()).rejects.toMatchObject({ code: 'not-empty' })
    const kept = await inRestored(({ db }) => db.selectFrom('setting').select('name').execute())
    expect(kept).toEqual([{ name: 'theirs' }])
  })

  it('tells the log of each party where it parted', async () => {
    await make()
    const { forks, held } = await restore()
    expect(held).toBe(0)
    expect(forks).toMatchObject([{ party: HOME_PARTY, seq: 0 }])
    const types = await inRestored(async (restored) => {
      await settleAll(restored)
      const entries = await entriesFrom(restored.db, HOME_PARTY, { from: 1, limit: 10 })
      return entries.map(({ type }) => type)
    })
    expect(types).toEqual(['restored', 'token-created'])
  })
})

describe('a recipient', () => {
  const pem = (key: KeyObject, type: 'spki' | 'pkcs8') =>
    String(key.export({ type, format: 'pem' }))

  it('is no private key', () => {
    expect(() => recipientOf(pem(pair.privateKey, 'pkcs8'), 'k')).toThrow(/belongs elsewhere/)
  })

  it('is a key that can wrap', () => {
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 })
    const signing = generateKeyPairSync('ed25519')
    const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
    for (const { publicKey } of [short, signing, odd]) {
      expect(() => recipientOf(pem(publicKey, 'spki'), 'k')).toThrow(/not RSA of 2048/)
    }
    expect(() => recipientOf('nothing', 'k')).toThrow(/no public key/)
  })
})
