import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../../protocol/bytes.ts'
import { ContentStore } from '../../../../src/onboarding/content.ts'
import { UploadFiles } from '../../../../src/onboarding/uploads.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('contents', () => {
  it('are read in pieces, short ones and long ones alike', async () => {
    for (const length of [0, 10, 300_000]) {
      const contents = new ContentStore(join(folder, 'contents'))
      const bytes = Uint8Array.from({ length }, (_, i) => i & 0xff)
      const { ref } = await contents.put(HOME_PARTY, bytes)
      for (const offset of [0, 3, length - 2, length]) {
        for (let i = 0; i < 2; i++) {
          const piece = await contents.read(ref, Math.max(0, offset), 4)
          const expected = bytes.subarray(Math.max(0, offset), Math.max(0, offset) + 4)
          expect(toHex(piece)).toBe(toHex(expected))
        }
      }
    }
  })

  it('leave nothing half written', async () => {
    const contents = new ContentStore(folder)
    const { ref } = await contents.put(HOME_PARTY, utf8('hello'))
    await contents.put(HOME_PARTY, utf8('hello'))
    expect(readdirSync(folder)).toEqual([ref])
    expect(await contents.list(HOME_PARTY)).toEqual([ref])
  })

  it('cannot be called by a path', async () => {
    writeFileSync(join(folder, 'secret'), 'secret')
    const contents = new ContentStore(join(folder, 'contents'))
    for (const ref of ['../secret', 'secret', '', '..', `${'a'.repeat(95)}/`]) {
      expect(await contents.find(HOME_PARTY, ref)).toBeUndefined()
      expect(await contents.remove(HOME_PARTY, ref)).toBe(false)
      await expect(async () => contents.read(ref, 0, 4)).rejects.toThrow('is gone')
    }
    expect(readdirSync(folder)).toEqual(['secret'])
    expect(await contents.list(HOME_PARTY)).toEqual([])
  })

  it('are taken as they come, under the same name', async () => {
    const contents = new ContentStore(folder)
    const parts = async function* () {
      yield utf8('hel')
      yield utf8('lo')
    }
    const { ref, length } = await contents.take(HOME_PARTY, parts())
    expect(length).toBe(5)
    expect(ref).toBe((await contents.put(HOME_PARTY, utf8('hello'))).ref)
  })

  it('leave nothing where they are broken off', async () => {
    const contents = new ContentStore(folder)
    const parts = async function* () {
      yield utf8('hel')
      throw new Error('cut')
    }
    await expect(contents.take(HOME_PARTY, parts())).rejects.toThrow('cut')
    expect(readdirSync(folder)).toEqual([])
  })

  it('are gone after a day where they were lent, and only then', async () => {
    const contents = new ContentStore(folder)
    const kept = await contents.put(HOME_PARTY, utf8('kept'))
    const lent = await contents.lend(utf8('lent'))
    writeFileSync(join(folder, `${'a'.repeat(24)}.draft`), 'left by who died')
    await contents.sweep(new Date())
    expect(toHex(await contents.read(lent.ref, 0, 9))).toBe(toHex(utf8('lent')))
    expect(readdirSync(folder)).toHaveLength(3)
    await contents.sweep(new Date(Date.now() + 25 * 3_600_000))
    await expect(async () => contents.read(lent.ref, 0, 9)).rejects.toThrow('is gone')
    expect(readdirSync(folder).toSorted()).toEqual([kept.ref, 'lent'].toSorted())
    expect(await contents.list(HOME_PARTY)).toEqual([kept.ref])
  })

  it('are gone once removed', async () => {
    const contents = new ContentStore(folder)
    const { ref } = await contents.put(HOME_PARTY, utf8('hello'))
    await contents.read(ref, 0, 5)
    expect(await contents.remove(HOME_PARTY, ref)).toBe(true)
    await expect(async () => contents.read(ref, 0, 5)).rejects.toThrow('is gone')
  })
})

describe('uploads', () => {
  const one = { deviceId: 'fdod_a', runId: 'ab'.repeat(16), name: 'logs/a' }

  const wholeOf = async (uploads: UploadFiles) => {
    const parts: Uint8Array[] = []
    for await (const part of await uploads.stream(one)) parts.push(part)
    return new Uint8Array(Buffer.concat(parts))
  }

  it('are written in pieces, and again after a crash', async () => {
    const uploads = new UploadFiles(folder)
    uploads.write(one, 0, utf8('hello wrong'))
    uploads.write(one, 6, utf8('world'))
    uploads.write(one, 6, utf8('world'))
    expect(toHex(await wholeOf(uploads))).toBe(toHex(utf8('hello world')))
    expect(toHex(await uploads.read(one, 6, 100))).toBe(toHex(utf8('world')))
    uploads.write(one, 0, utf8('anew'))
    expect(toHex(await wholeOf(uploads))).toBe(toHex(utf8('anew')))
  })

  it('may be empty', async () => {
    const uploads = new UploadFiles(folder)
    uploads.touch(one)
    expect(await wholeOf(uploads)).toHaveLength(0)
  })

  it('are removed one by one, their folder with the last', async () => {
    const uploads = new UploadFiles(folder)
    uploads.touch(one)
    uploads.touch({ ...one, name: 'other' })
    await uploads.remove(one)
    expect(readdirSync(join(folder, one.deviceId, one.runId))).toHaveLength(1)
    await uploads.remove({ ...one, name: 'other' })
    expect(readdirSync(join(folder, one.deviceId))).toEqual([])
  })

  it('stay in their folder, whatever they are called', () => {
    const uploads = new UploadFiles(join(folder, 'uploads'))
    for (const name of ['../../x', '/etc/passwd', 'a\0b', 'x'.repeat(5000), '']) {
      uploads.write({ ...one, name }, 0, utf8('x'))
    }
    expect(readdirSync(folder)).toEqual(['uploads'])
    expect(readdirSync(join(folder, 'uploads', 'fdod_a', 'ab'.repeat(16)))).toHaveLength(5)
  })

  it.each([
    { ...one, deviceId: '../x' },
    { ...one, deviceId: '' },
    { ...one, runId: '../../../../../../../../../etc' },
  ])('are of a device and a run', async (upload) => {
    const uploads = new UploadFiles(folder)
    expect(() => uploads.write(upload, 0, utf8('x'))).toThrow('not the id')
    await expect(uploads.read(upload, 0, 1)).rejects.toThrow('not the id')
    await expect(uploads.stream(upload)).rejects.toThrow('not the id')
  })
})
