/** Files of plans and devices in the database: what one instance takes another has. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { ContentStore } from '../../../../src/onboarding/content.ts'
import { SharedContents } from '../../../../src/onboarding/shared/contents.ts'
import { SharedUploads } from '../../../../src/onboarding/shared/uploads.ts'
import { UploadFiles } from '../../../../src/onboarding/uploads.ts'
import { type Database, openDatabase } from '../../../support/database.ts'

const OTHER = 'fdop_other'
const DAY_MS = 24 * 3_600_000
let folder: string
let database: Database
let clock: FakeClock
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
  database = await openDatabase(':memory:')
  clock = new FakeClock()
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true, force: true })
})

const cacheOf = (name: string) => new ContentStore(join(folder, name))
const instance = (name: string) =>
  new SharedContents({ database, clock }, { cache: cacheOf(name), before: cacheOf('contents') })
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff)
async function* once(bytes: Bytes) {
  yield bytes
}

describe('contents', () => {
  it.each([0, 10, 256 * 1024, 700_000])(
    'of %i bytes are read at another instance',
    async (length) => {
      const bytes = bytesOf(length)
      const { ref, sha384 } = await instance('a').take(OTHER, once(bytes))
      const other = instance('b')
      expect(await other.find(OTHER, sha384)).toEqual({ ref, sha384, length })
      expect(await other.find(HOME_PARTY, sha384)).toBeUndefined()
      for (const offset of [0, 5, 262_143, length]) {
        const piece = await other.read(ref, offset, 300_000)
        expect(toHex(piece)).toBe(toHex(bytes.subarray(offset, offset + 300_000)))
      }
      expect(readdirSync(join(folder, 'b', OTHER))).toEqual([sha384])
    },
  )

  it('are fetched once where many want them at the same moment', async () => {
    const { ref } = await instance('a').put(HOME_PARTY, bytesOf(600_000))
    const other = instance('b')
    const reads = Array.from({ length: 8 }, (_, i) => other.read(ref, i, 1))
    const first = await Promise.all(reads)
    expect(first.map((piece) => piece[0])).toEqual([0, 7, 14, 21, 28, 35, 42, 49])
    expect(readdirSync(join(folder, 'b'))).toEqual([ref])
  })

  it('are listed and removed for all, and what was read elsewhere goes with the next sweep', async () => {
    const [one, other] = [instance('a'), instance('b')]
    const { ref, sha384 } = await one.put(HOME_PARTY, utf8('hello'))
    await other.read(ref, 0, 5)
    expect(await other.list(HOME_PARTY)).toEqual([sha384])
    expect(await one.remove(HOME_PARTY, sha384)).toBe(true)
    expect(await other.remove(HOME_PARTY, sha384)).toBe(false)
    expect(await other.list(HOME_PARTY)).toEqual([])
    const third = instance('c')
    await one.put(HOME_PARTY, utf8('hello'))
    await third.read(ref, 0, 5)
    await one.remove(HOME_PARTY, sha384)
    await third.sweep(clock.now())
    await expect(async () => third.read(ref, 0, 5)).rejects.toThrow('is gone')
    expect(readdirSync(join(folder, 'c'))).toEqual([])
  })

  it('that come again after they were removed are there again', async () => {
    const one = instance('a')
    const { sha384 } = await one.put(HOME_PARTY, utf8('hello'))
    await instance('b').remove(HOME_PARTY, sha384)
    await one.sweep(clock.now())
    const { ref } = await one.put(HOME_PARTY, utf8('hello'))
    expect(toHex(await instance('c').read(ref, 0, 5))).toBe(toHex(utf8('hello')))
  })

  it('that are lent are there for a day, at every instance', async () => {
    const [one, other] = [instance('a'), instance('b')]
    const { ref } = await one.lend(utf8('lent'))
    clock.advance(DAY_MS / 2)
    await other.lend(utf8('lent'))
    clock.advance((DAY_MS * 3) / 4)
    await one.sweep(clock.now())
    expect(toHex(await instance('c').read(ref, 0, 4))).toBe(toHex(utf8('lent')))
    clock.advance(DAY_MS / 2)
    await one.sweep(clock.now())
    await expect(async () => instance('d').read(ref, 0, 4)).rejects.toThrow('is gone')
  })

  it('stay whole while a sweep runs beside what brings them', async () => {
    const one = instance('a')
    const bringing = one.put(HOME_PARTY, bytesOf(600_000))
    for (let i = 0; i < 20; i++) await one.sweep(clock.now())
    const { ref } = await bringing
    expect(await instance('b').read(ref, 599_999, 1)).toHaveLength(1)
  })

  it('in a folder of the version before are taken in, and left there', async () => {
    const before = cacheOf('contents')
    const mine = await before.put(HOME_PARTY, utf8('mine'))
    const theirs = await before.put(OTHER, bytesOf(300_000))
    await before.lend(utf8('lent'))
    for (let i = 0; i < 2; i++) await instance('a').adopt()
    const other = instance('b')
    expect(await other.list(HOME_PARTY)).toEqual([mine.sha384])
    expect(await other.list(OTHER)).toEqual([theirs.sha384])
    expect(await other.read(theirs.ref, 299_999, 9)).toHaveLength(1)
    expect(existsSync(join(folder, 'contents', mine.ref))).toBe(true)
    await other.remove(HOME_PARTY, mine.sha384)
    await instance('a').adopt()
    expect(await other.list(HOME_PARTY)).toEqual([])
  })

  it('cannot be called by a path', async () => {
    for (const ref of ['../secret', '', '..', 'lent/x']) {
      await expect(async () => instance('a').read(ref, 0, 4)).rejects.toThrow('is gone')
    }
  })
})

describe('uploads', () => {
  const one = { deviceId: 'fdod_a', runId: 'ab'.repeat(16), name: 'logs/a' }
  const before = () => new UploadFiles(join(folder, 'uploads'))
  const uploads = () => new SharedUploads(database, before())
  const write = (offset: number, bytes: Bytes, upload = one) =>
    database.commit(async (tx) => uploads().write(upload, offset, bytes, tx))
  const wholeOf = async (upload = one) => {
    const parts: Bytes[] = []
    for await (const part of await uploads().stream(upload)) parts.push(part)
    return Buffer.concat(parts)
  }

  it('are put together of what came to each instance', async () => {
    const anyPieces = fc.array(fc.nat({ max: 40 }), { maxLength: 150 })
    await fc.assert(
      fc.asyncProperty(anyPieces, fc.nat(3_000), fc.nat(3_000), async (lengths, from, most) => {
        const whole = bytesOf(lengths.reduce((sum, length) => sum + length, 0))
        await database.commit((tx) => uploads().removeRun(one, tx))
        let offset = 0
        await database.commit(async (tx) => {
          for (const length of lengths) {
            await uploads().write(one, offset, whole.subarray(offset, offset + length), tx)
            offset += length
          }
        })
        expect(toHex(await wholeOf())).toBe(toHex(whole))
        const read = await uploads().read(one, from, most)
        expect(toHex(read)).toBe(toHex(whole.subarray(from, from + most)))
      }),
      { numRuns: 30 },
    )
  })

  it('may be begun anew, and be empty', async () => {
    await write(0, utf8('hello'))
    await write(5, utf8(' world'))
    await write(0, utf8('anew'))
    expect(String(await wholeOf())).toBe('anew')
    await database.commit(async (tx) => uploads().touch(one, tx))
    expect(await wholeOf()).toHaveLength(0)
  })

  it('are not there where the transaction that brought them is not', async () => {
    const failing = database.commit(async (tx) => {
      await uploads().write(one, 0, utf8('hello'), tx)
      throw new Error('cut')
    })
    await expect(failing).rejects.toThrow('cut')
    expect(await wholeOf()).toHaveLength(0)
  })

  it('end before a gap', async () => {
    await write(0, utf8('hello'))
    await write(6, utf8('world'))
    expect(String(await wholeOf())).toBe('hello')
  })

  it('are removed one by one, or with their run', async () => {
    const other = { ...one, name: 'b' }
    const foreign = { ...one, runId: 'cd'.repeat(16) }
    for (const upload of [one, other, foreign]) await write(0, utf8('x'), upload)
    await uploads().remove(one)
    expect([await wholeOf(one), await wholeOf(other)].map(String)).toEqual(['', 'x'])
    await database.commit((tx) => uploads().removeRun(one, tx))
    expect([await wholeOf(other), await wholeOf(foreign)].map(String)).toEqual(['', 'x'])
  })

  it('of the version before are read where they are', async () => {
    before().write(one, 0, utf8('before'))
    expect(String(await wholeOf())).toBe('before')
    await uploads().remove(one)
    expect(await wholeOf()).toHaveLength(0)
  })
})
