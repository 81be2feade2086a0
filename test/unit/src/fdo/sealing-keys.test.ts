/** Sealing keys: replaced in time, the last two accepted, the others gone. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase, isOnPostgres } from '../../../support/database.ts'
import { SealingKeys } from '../../../../src/fdo/sealing-keys.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'

const MINUTE_MS = 60_000
const sealer = new Sealer(new Uint8Array(32).fill(7))
let folder: string
let path: string
let database: Database
let clock: FakeClock
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-sealing-'))
  path = join(folder, 'test.sqlite')
  database = await openDatabase(path)
  clock = new FakeClock()
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})

const load = (master = sealer) => SealingKeys.load({ database, clock, randomBytes, sealer: master })
const rows = () => database.db.selectFrom('sealing_key').selectAll().orderBy('id').execute()
const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString()

describe('a sealing key', () => {
  it('opens what it sealed, in the same context', async () => {
    const keys = await load()
    const sealed = await keys.seal('here', utf8('state'))
    expect(text(await keys.open('here', sealed))).toBe('state')
    expect(await keys.open('there', sealed)).toBeUndefined()
    for (const cut of [0, 3, 4, 20]) {
      expect(await keys.open('here', sealed.subarray(0, cut))).toBeUndefined()
    }
  })

  it('is there for a successor, wrapped', async () => {
    const sealed = await (await load()).seal('here', utf8('state'))
    expect(text(await (await load()).open('here', sealed))).toBe('state')
    expect(await rows()).toHaveLength(1)
    await expect(load(new Sealer(new Uint8Array(32)))).rejects.toThrow('master key')
  })

  it('is replaced after ten minutes, and accepted for ten more', async () => {
    const keys = await load()
    const sealed = await keys.seal('here', utf8('state'))
    clock.advance(10 * MINUTE_MS - 1)
    await keys.seal('here', utf8('x'))
    expect(await rows()).toHaveLength(1)
    clock.advance(1)
    const next = await keys.seal('here', utf8('next'))
    expect(await rows()).toHaveLength(2)
    clock.advance(10 * MINUTE_MS - 1)
    expect(text(await keys.open('here', sealed))).toBe('state')
    clock.advance(1)
    expect(await keys.open('here', sealed)).toBeUndefined()
    expect(text(await keys.open('here', next))).toBe('next')
  })

  it.skipIf(isOnPostgres)(
    'is gone from the database and its log when a second has replaced it',
    async () => {
      const keys = await load()
      const [first] = await rows()
      const wrapped = Buffer.from(first?.wrapped ?? [])
      const isThere = () =>
        [path, `${path}-wal`].some((file) => readFileSync(file).includes(wrapped))
      expect(isThere()).toBe(true)
      for (let i = 0; i < 2; i++) {
        clock.advance(10 * MINUTE_MS)
        await keys.replaceIfDue()
      }
      expect((await rows()).map(({ id }) => id)).toEqual([2, 3])
      expect(isThere()).toBe(false)
    },
  )

  it('is made once where several need one at the same time', async () => {
    const keys = await load()
    clock.advance(10 * MINUTE_MS)
    await Promise.all([keys.replaceIfDue(), keys.seal('a', utf8('x')), keys.seal('b', utf8('y'))])
    expect(await rows()).toHaveLength(2)
  })

  it('of another instance is found, and shared', async () => {
    const one = await load()
    const other = await load()
    clock.advance(10 * MINUTE_MS)
    const sealed = await one.seal('here', utf8('state'))
    expect(text(await other.open('here', sealed))).toBe('state')
    await other.seal('here', utf8('x'))
    expect(await rows()).toHaveLength(2)
  })

  it('is accepted beside the next, whatever ids were used up between', async () => {
    const keys = await load()
    const sealed = await keys.seal('here', utf8('state'))
    const lost = { wrapped: new Uint8Array(1), created_at: clock.now().toISOString() }
    const { id } = await database.db
      .insertInto('sealing_key')
      .values(lost)
      .returning('id')
      .executeTakeFirstOrThrow()
    await database.db.deleteFrom('sealing_key').where('id', '=', id).execute()
    clock.advance(10 * MINUTE_MS)
    await keys.replaceIfDue()
    expect(text(await keys.open('here', sealed))).toBe('state')
  })

  it('from the time before a clock was set back is replaced', async () => {
    const keys = await load()
    clock.advance(-3_600_000)
    await keys.seal('here', utf8('x'))
    expect(await rows()).toHaveLength(2)
  })
})
