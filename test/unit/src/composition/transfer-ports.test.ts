/** Vouchers and keys of a party, as voucher transfer sees them. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, describe, expect, it } from 'vitest'
import { OWNER } from '../../../../src/manufacturing/keys.ts'
import { Parties } from '../../../../src/parties/service.ts'
import { KeyStore } from '../../../../src/secrets/key-store.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import {
  didSchemeOf,
  didUrlOf,
  keyPort,
  partyPort,
  voucherPort,
} from '../../../../src/composition/transfer-ports.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { PARTY, TESTER, openTrade, someVouchers } from '../../../support/transfer-world.ts'

const trade = await openTrade()
const { seller } = trade
afterAll(() => trade.close())
const port = voucherPort(seller.desk, seller.database)
const [sold, held] = await someVouchers(2)
const { guid, owner_key: ownerKey, cbor } = await trade.sell(sold ?? expect.fail())
await seller.desk.import([held?.bytes ?? expect.fail()], TESTER)

describe('the vouchers of a party', () => {
  it('are listed to the key they were sold to, and to no other', async () => {
    const list = (party: string, key: string) => port.listSold({ party, ownerKey: key, limit: 9 })
    expect((await list(PARTY, ownerKey)).map((one) => one.guid)).toEqual([guid])
    expect(await list('fdop_other', ownerKey)).toEqual([])
    expect(await list(PARTY, '00'.repeat(32))).toEqual([])
    expect(await port.countSold({ party: PARTY, ownerKey })).toBe(1)
  })

  it('are pushed once they have been sold, and count as given away then', async () => {
    expect(await port.findOutgoing(PARTY, '02'.repeat(16))).toBeUndefined()
    expect(await port.findOutgoing('fdop_other', guid)).toBeUndefined()
    expect((await seller.desk.find(PARTY, guid)).exported_at).toBeNull()
    expect((await port.findOutgoing(PARTY, guid))?.voucher).toEqual(cbor)
    expect((await seller.desk.find(PARTY, guid)).exported_at).not.toBeNull()
  })

  it('are fetched by the key they were sold to', async () => {
    expect(await port.fetchSold(PARTY, ownerKey, guid)).toEqual(cbor)
    expect(await port.fetchSold(PARTY, '00'.repeat(32), guid)).toBeUndefined()
    expect(await port.fetchSold(PARTY, ownerKey, '02'.repeat(16))).toBeUndefined()
    expect(await port.fetchSold(PARTY, ownerKey, '03'.repeat(16))).toBeUndefined()
    expect(await port.fetchSold('fdop_other', ownerKey, guid)).toBeUndefined()
  })
})

describe('the keys of a party', () => {
  it('are its owner keys, the P-256 one to be known by', async () => {
    const { database, clock } = seller
    const sealer = new Sealer(new Uint8Array(32).fill(1))
    const keyStore = await KeyStore.open({ database, clock, sealer })
    await keyStore.ring(PARTY).ensure(OWNER, ['p384', 'p256'])
    await keyStore.ring('fdop_other').ensure('manufacturer', ['p256'])
    const keys = keyPort(keyStore)
    const known = await keys.signerOf(PARTY)
    expect(known?.key.kind).toBe('p256')
    expect((await keys.ownerSigners(PARTY)).map(({ key }) => key.kind).sort()).toEqual([
      'p256',
      'p384',
    ])
    expect(await keys.signerOf('fdop_other')).toBeUndefined()
    expect(await keys.ownerSigners('fdop_other')).toEqual([])
    const key = { type: 10, encoding: 1, key: known?.key ?? expect.fail() } as const
    expect((await keys.findOwnerSigner(PARTY, key))?.key.spki).toEqual(known?.key.spki)
    expect(await keys.findOwnerSigner('fdop_other', key)).toBeUndefined()
  })

  it('are shown with those in use first, once one was rotated', async () => {
    const keyStore = await openKeys()
    const ring = keyStore.ring('fdop_rotating')
    const keys = keyPort(keyStore)
    await ring.ensure(OWNER, ['p384'])
    expect(await keys.publishedBy(ring.party)).toEqual({ active: [], former: [] })
    await ring.ensure(OWNER, ['p256'])
    const old = (await ring.active(OWNER, 'p256')) ?? expect.fail()
    const made = await keyStore.rotate(old, async () => {})
    const { active, former } = await keys.publishedBy(ring.party)
    expect(active.map(({ kind }) => kind)).toEqual(['p256', 'p384'])
    expect([active[0], former[0]].map((key) => hashOf(key?.spki ?? expect.fail()))).toEqual([
      made?.fingerprint,
      old.fingerprint,
    ])
    expect(former).toHaveLength(1)
    expect(hashOf((await keys.signerOf(ring.party))?.key.spki ?? expect.fail())).toBe(
      made?.fingerprint,
    )
    const signers = await keys.ownerSigners(ring.party)
    expect(hashOf(signers.at(-1)?.key.spki ?? expect.fail())).toBe(old.fingerprint)
    expect(signers).toHaveLength(3)
  })

  it('are taken for what comes in before one is made, imported ones too', async () => {
    const keyStore = await openKeys()
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const file = privateKey.export({ type: 'pkcs8', format: 'der' })
    const imported = await keyStore.ring('fdop_rsa').import(OWNER, file)
    const { database, clock, audit } = seller
    const parties = await Parties.open({ database, clock, audit })
    const key = await partyPort(parties, keyStore).keyOf('fdop_rsa', 'rsa2048')
    expect(hashOf(key?.key.spki ?? expect.fail())).toBe(imported.fingerprint)
    expect(keyStore.ring('fdop_rsa').list()).toHaveLength(1)
  })
})

const openKeys = () => {
  const { database, clock } = seller
  return KeyStore.open({ database, clock, sealer: new Sealer(new Uint8Array(32).fill(1)) })
}
const ADMIN = { party: 'fdop_home', id: 'fdoa_1' }

describe('the parties of an installation', () => {
  it('are sold to by their name while somebody may act for them, and known by their keys', async () => {
    const { database, clock, audit } = seller
    const sealer = new Sealer(new Uint8Array(32).fill(1))
    const keyStore = await KeyStore.open({ database, clock, sealer })
    const parties = await Parties.open({ database, clock, audit })
    const port = partyPort(parties, keyStore)
    const { row } = await parties.invite({ name: 'acme', roles: ['owner'] }, 60, ADMIN)
    const { id } = await parties.join(row.id, async () => {})
    expect(await port.find('acme')).toEqual({ id, name: 'acme' })
    expect(await port.find('other')).toBeUndefined()
    expect(await port.findById(id)).toEqual({ id, name: 'acme' })
    const key = (await port.keyOf(id, 'p384')) ?? expect.fail()
    expect(key).toMatchObject({ type: 11, encoding: 1, key: { kind: 'p384' } })
    expect(await port.holds(id, hashOf(key.key.spki))).toBe(true)
    expect(await port.holds('fdop_home', hashOf(key.key.spki))).toBe(false)
    expect(await port.isActive(id)).toBe(true)
    await parties.suspend(id, ADMIN)
    expect(await port.isActive(id)).toBe(false)
    expect(await port.find('acme')).toBeUndefined()
    expect(await port.findById(id)).toBeUndefined()
    expect(await port.findById('fdop_none')).toBeUndefined()
  })
})

describe('DID documents', () => {
  it('are read over plain HTTP only by a service that is reached in no other way', () => {
    const https = 'https://fdo.example'
    expect(didSchemeOf({ tlsPort: undefined, publicUrl: undefined })).toBe('http')
    expect(didSchemeOf({ tlsPort: undefined, publicUrl: 'http://192.0.2.10:8080' })).toBe('http')
    expect(didSchemeOf({ tlsPort: undefined, publicUrl: https })).toBe('https')
    expect(didSchemeOf({ tlsPort: 8443, publicUrl: 'http://192.0.2.10:8080' })).toBe('https')
  })

  it('are those of the HTTPS address there is, and of none where there is none', () => {
    const [plain, secure] = ['http://a.example:8080', 'https://a.example:8443']
    expect(didUrlOf('https://a.example/fdo', secure)).toBe('https://a.example/fdo')
    expect(didUrlOf(plain, secure)).toBe(secure)
    expect(didUrlOf(plain, '')).toBeUndefined()
  })
})
