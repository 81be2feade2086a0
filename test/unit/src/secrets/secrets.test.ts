/** The master key, what is sealed under it, and the private keys that are. */
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { generateKeyPairSync, verify } from 'node:crypto'
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../../../protocol/bytes.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { KeyRefused } from '../../../../src/secrets/key-files/refused.ts'
import { KeyStore } from '../../../../src/secrets/key-store.ts'
import {
  StartRefused,
  checkMasterKey,
  loadMasterKey,
  refuseIfOpenToOthers,
} from '../../../../src/secrets/master-key.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'

let folder: string
let file: string
let database: Database
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-secrets-'))
  file = join(folder, 'master.key')
  database = await openDatabase(':memory:')
})
afterEach(async () => {
  await database.close()
  rmSync(folder, { recursive: true })
})
const clock = new FakeClock()
const sealer = new Sealer(new Uint8Array(32).fill(1))

describe('a sealed secret', () => {
  it('opens in its context, with its key', () => {
    const property = fc.property(fc.uint8Array(), fc.string(), (secret, context) => {
      expect(toHex(sealer.open(context, sealer.seal(context, secret)) ?? utf8('no'))).toBe(
        toHex(secret),
      )
    })
    fc.assert(property)
  })

  it('opens in no other, with no other, changed or cut', () => {
    const sealed = sealer.seal('a', utf8('secret'))
    expect(sealer.open('b', sealed)).toBeUndefined()
    expect(new Sealer(new Uint8Array(32)).open('a', sealed)).toBeUndefined()
    for (let i = 0; i < sealed.length; i++) {
      const changed = Uint8Array.from(sealed)
      changed[i] = (changed[i] ?? 0) ^ 1
      expect(sealer.open('a', changed)).toBeUndefined()
      expect(sealer.open('a', sealed.subarray(0, i))).toBeUndefined()
    }
  })
})

describe('the master key', () => {
  it('is made on the first start, for its owner alone, and read on the next', () => {
    const key = loadMasterKey(file, false)
    expect(key).toHaveLength(32)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(toHex(loadMasterKey(file, true))).toBe(toHex(key))
    expect(readdirSync(dirname(file))).toEqual([basename(file)])
  })

  it('must not be missing beside a database', () => {
    expect(() => loadMasterKey(file, true)).toThrow(StartRefused)
  })

  it('must not be readable by others', () => {
    loadMasterKey(file, false)
    for (const mode of [0o640, 0o604]) {
      chmodSync(file, mode)
      expect(() => loadMasterKey(file, true)).toThrow(/chmod 600/)
    }
  })

  it("may be another user's that our group can read, as platforms hand secrets over", () => {
    const mine = process.getuid?.() ?? expect.fail()
    const asOf = (uid: number, mode: number) => () => refuseIfOpenToOthers('f', { mode, uid })
    expect(asOf(mine + 1, 0o100440)).not.toThrow()
    for (const mode of [0o100460, 0o100444]) expect(asOf(mine + 1, mode)).toThrow(StartRefused)
    expect(asOf(mine, 0o100440)).toThrow(StartRefused)
  })

  it('must be a key', () => {
    writeFileSync(file, 'too short\n', { mode: 0o600 })
    expect(() => loadMasterKey(file, false)).toThrow(/32 bytes/)
  })

  it("must be the database's", async () => {
    await checkMasterKey(database, sealer, file)
    await checkMasterKey(database, sealer, file)
    const other = new Sealer(new Uint8Array(32))
    await expect(checkMasterKey(database, other, file)).rejects.toThrow(StartRefused)
  })
})

describe('the key store', () => {
  const open = async () => (await KeyStore.open({ database, clock, sealer })).ring(HOME_PARTY)

  it('makes a key when it is first asked for, once', async () => {
    const keys = await open()
    const [one, same] = await Promise.all([
      keys.signer('owner', 'p256'),
      keys.signer('owner', 'p256'),
    ])
    expect(toHex(same.key.spki)).toBe(toHex(one.key.spki))
    expect(keys.list()).toHaveLength(1)
    expect((await keys.signer('manufacturer', 'p256')).key.spki).not.toEqual(one.key.spki)
  })

  it('has the same key after a restart', async () => {
    const before = await (await open()).signer('owner', 'p384')
    const after = await (await open()).signer('owner', 'p384')
    expect(toHex(after.key.spki)).toBe(toHex(before.key.spki))
  })

  it('makes every kind, in parallel', async () => {
    const keys = await open()
    await keys.ensure('owner')
    const kinds = keys.list().map(({ kind }) => kind)
    expect(kinds.toSorted()).toEqual(['p256', 'p384', 'rsa2048', 'rsa3072'])
  }, 60_000)

  it('signs with what the caller names, if the key may', async () => {
    const keys = await open()
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const { spki } = await keys.import('owner', privateKey.export({ type: 'pkcs8', format: 'der' }))
    const signer = await keys.findSigner('owner', spki, PS256)
    expect(signer?.algorithm).toBe(PS256)
    expect((await keys.findSigner('owner', spki))?.algorithm.name).toBe('RS256')
  })

  it('keeps no private key in clear', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await (await open()).import('owner', privateKey.export({ type: 'pkcs8', format: 'der' }))
    const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
    const rows = await database.db.selectFrom('private_key').selectAll().execute()
    for (const { wrapped } of rows) expect(Buffer.from(wrapped).includes(secret)).toBe(false)
  })

  it.each(['pem', 'der'] as const)('imports a key as %s, beside its own, once', async (format) => {
    const keys = await open()
    const own = await keys.signer('owner', 'p256')
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const encoded = Buffer.from(privateKey.export({ type: 'pkcs8', format: format as 'pem' }))
    const added = await keys.import('owner', encoded)
    expect((await keys.import('owner', encoded)).id).toBe(added.id)
    expect(added).toMatchObject({ kind: 'p256', origin: 'imported' })

    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const signer = await keys.findSigner('owner', spki)
    const signature = await signer?.sign(utf8('data'))
    const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
    expect(verify('sha256', utf8('data'), key, signature ?? utf8(''))).toBe(true)
    expect(await keys.signer('owner', 'p256')).toBe(own)
    expect(await keys.findSigner('manufacturer', spki)).toBeUndefined()
  })

  it('survives two imports of one key at once', async () => {
    const keys = await open()
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    const both = await Promise.all([keys.import('owner', der), keys.import('owner', der)])
    expect(both[0]?.id).toBe(both[1]?.id)
    expect(keys.list()).toHaveLength(1)
  })

  it('refuses what is no key, or of a kind that FDO has no use for', async () => {
    const keys = await open()
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey
    const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
    const secret = { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' } as const
    const refused = [
      utf8('no key'),
      utf8('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'),
      curve.export({ type: 'pkcs8', format: 'der' }),
      small.export({ type: 'pkcs8', format: 'der' }),
      Buffer.from(curve.export(secret)),
    ]
    for (const bytes of refused)
      await expect(keys.import('owner', bytes)).rejects.toThrow(KeyRefused)
    expect(keys.list()).toEqual([])
  })

  it('says so where the master key is another', async () => {
    await (await open()).signer('owner', 'p256')
    const other = new Sealer(new Uint8Array(32))
    const keys = (await KeyStore.open({ database, clock, sealer: other })).ring(HOME_PARTY)
    await expect(keys.signer('owner', 'p256')).rejects.toThrow('master key')
  })

  it('leaves the file of a master key as it is', () => {
    loadMasterKey(file, false)
    expect(readFileSync(file, 'utf8')).toMatch(/^[\w-]{43}\n$/)
  })
})
