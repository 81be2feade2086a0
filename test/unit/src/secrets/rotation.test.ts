/** Keys that are replaced while they are in use, by one process or by two on one database. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type Bytes, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import type { KeyKind } from '../../../../protocol/cose/algorithms.ts'
import { ManufacturerKeys } from '../../../../src/manufacturing/keys.ts'
import type { KeyInfo } from '../../../../src/secrets/key-info.ts'
import { KeyStore } from '../../../../src/secrets/key-store.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { PrivateKeyStore } from '../../../../src/secrets/store.ts'

const PARTY = 'fdop_a'
const clock = new FakeClock()
const sealer = new Sealer(new Uint8Array(32).fill(1))
const nothing = async () => {}

let folder: string
/** Two processes, as far as the database goes. */
let databases: Database[]
let here: KeyStore
let there: KeyStore
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-rotation-'))
  const path = join(folder, 'a.sqlite')
  databases = [await openDatabase(path), await openDatabase(path)]
  const [one, two] = databases
  if (!one || !two) expect.fail()
  here = await KeyStore.open({ database: one, clock, sealer })
  there = await KeyStore.open({ database: two, clock, sealer })
})
afterEach(async () => {
  for (const database of databases) await database.close()
  rmSync(folder, { recursive: true })
})

const slot = (kind: KeyKind = 'p256') => ({ party: PARTY, purpose: 'owner', kind })
const rotate = async (store: KeyStore, key: KeyInfo) =>
  (await store.rotate(key, nothing)) ?? expect.fail('it was replaced already')
const hex = (bytes: Bytes | undefined) => bytes && toHex(bytes)
const stored = () => databases[0]!.db.selectFrom('private_key').selectAll().execute()

describe('a key that is rotated', () => {
  it('is kept, and serves what was signed to it; the new one is in use', async () => {
    const old = await here.ownKey(slot())
    clock.advance(1)
    const made = await rotate(here, old)
    const ring = here.ring(PARTY)
    expect(hex((await ring.signer('owner', 'p256')).key.spki)).toBe(hex(made.spki))
    expect(hex((await ring.findSigner('owner', old.spki))?.key.spki)).toBe(hex(old.spki))
    expect(here.list()).toMatchObject([
      { id: old.id, retiredAt: clock.now().toISOString() },
      { id: made.id, retiredAt: null, origin: 'made' },
    ])
    expect((await ring.ranked('owner')).map(({ id }) => id)).toEqual([made.id, old.id])
    expect(here.holders('owner', old.spki)).toEqual([PARTY])
  })

  it('is so in another process at once, and after a restart', async () => {
    const old = await here.ownKey(slot())
    expect((await there.ownKey(slot())).id).toBe(old.id)
    const made = await rotate(here, old)
    expect((await there.ownKey(slot())).id).toBe(made.id)
    const [database] = databases
    const again = await KeyStore.open({ database: database!, clock, sealer })
    expect((await again.ownKey(slot())).id).toBe(made.id)
  })

  it('is given out by the manufacturer no more, here or elsewhere', async () => {
    const keysOf = (store: KeyStore) =>
      new ManufacturerKeys(store.ring(PARTY), async (spki) => [spki])
    const [mine, theirs] = [keysOf(here), keysOf(there)]
    const old = await mine.publicKey(10, 1)
    expect(hex((await theirs.publicKey(10, 1)).key.spki)).toBe(hex(old.key.spki))
    expect(await mine.publicKey(10, 1)).toBe(old)
    const info = await here.ownKey({ ...slot(), purpose: 'manufacturer' })
    const made = await rotate(here, info)
    for (const keys of [mine, theirs]) {
      expect(hex((await keys.publicKey(10, 1)).key.spki)).toBe(hex(made.spki))
      expect((await keys.publicKey(10, 2)).chain?.map(hex)).toEqual([hex(made.spki)])
      expect(hex((await keys.findSigner(old))?.key.spki)).toBe(hex(old.key.spki))
    }
  })

  it('is replaced once, whoever does it at the same time', async () => {
    const old = await here.ownKey(slot())
    const stores = [here, there, here, there]
    const made = await Promise.all(stores.map((store) => store.rotate(old, nothing)))
    expect(made.filter((one) => one !== undefined)).toHaveLength(1)
    expect(await stored()).toHaveLength(2)
  })

  it('stays in use where what belongs to the change fails', async () => {
    const old = await here.ownKey(slot())
    const failing = () => Promise.reject(new Error('no room in the log'))
    await expect(here.rotate(old, failing)).rejects.toThrow('no room')
    await expect(here.make(slot('p384'), failing)).rejects.toThrow('no room')
    await expect(here.remove(old, failing)).rejects.toThrow('no room')
    expect(await stored()).toHaveLength(1)
    expect((await here.ownKey(slot())).id).toBe(old.id)
  })
})

describe('the first key of a kind', () => {
  it('is one, whoever asks for it at the same time', async () => {
    const asked = await Promise.all([here, there].map((store) => store.ownKey(slot())))
    expect(asked[0]?.id).toBe(asked[1]?.id)
    expect(await here.make(slot(), nothing)).toBeUndefined()
    expect(await stored()).toHaveLength(1)
  })

  it('is not made where one was imported, which is in use until it is rotated', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const file = privateKey.export({ type: 'pkcs8', format: 'der' })
    const imported = await here.import({ party: PARTY, purpose: 'owner' }, file)
    expect((await there.ownKey(slot('p384'))).id).toBe(imported.id)
    const made = await rotate(there, imported)
    expect((await here.ownKey(slot('p384'))).id).toBe(made.id)
    expect(await stored()).toHaveLength(2)
  })

  it('goes before one that is imported beside it, which is not rotated in its place', async () => {
    const own = await here.ownKey(slot())
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const file = privateKey.export({ type: 'pkcs8', format: 'der' })
    const imported = await here.import({ party: PARTY, purpose: 'owner' }, file)
    expect((await here.ownKey(slot())).id).toBe(own.id)
    expect(await here.rotate(imported, nothing)).toBeUndefined()
    expect((await there.import({ party: PARTY, purpose: 'owner' }, file)).id).toBe(imported.id)
  })

  it('is looked for in another thread where that takes long, one after the other', async () => {
    let turns = 0
    const count = setInterval(() => turns++, 1)
    await Promise.all([here.make(slot('rsa3072'), nothing), here.ownKey(slot('rsa2048'))])
    clearInterval(count)
    expect(turns).toBeGreaterThan(3)
  }, 60_000)
})

describe('a key that is removed', () => {
  it('is gone from every process, and signs nothing more', async () => {
    const old = await here.ownKey(slot())
    const ring = there.ring(PARTY)
    await (await ring.findSigner('owner', old.spki))?.sign(utf8('x'))
    await rotate(here, old)
    expect(await here.remove(old, nothing)).toBe(true)
    expect(await here.remove(old, nothing)).toBe(false)
    expect(await ring.findSigner('owner', old.spki)).toBeUndefined()
    await expect(there.signerFor(old)).rejects.toThrow('does not open')
    const name = { party: PARTY, purpose: 'owner', fingerprint: old.fingerprint }
    expect(await databases[1]!.commit((tx) => there.has(tx, name))).toBe(false)
  })

  it('is kept by nobody who was reading it while it went', async () => {
    const old = await here.ownKey(slot())
    await rotate(here, old)
    await there.read()
    const { findWrapped } = PrivateKeyStore.prototype
    let remove: Promise<unknown> | undefined
    const reading = vi.spyOn(PrivateKeyStore.prototype, 'findWrapped')
    reading.mockImplementation(async function (this: PrivateKeyStore, ...of) {
      const wrapped = await findWrapped.apply(this, of)
      await (remove ??= here.remove(old, nothing))
      await there.read()
      return wrapped
    })
    await (await there.signerFor(old)).sign(utf8('x'))
    reading.mockRestore()
    await expect(there.signerFor(old)).rejects.toThrow('does not open')
    await expect(there.objectOf(old)).rejects.toThrow('does not open')
  })
})
