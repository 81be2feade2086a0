import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import type { KeyKind } from '../../../../protocol/cose/algorithms.ts'
import { DEFAULT_TYPE, X509 } from '../../../../protocol/crypto/public-key.ts'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { type Voucher, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import type { PartyPort } from '../../../../src/transfer/ports.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { certificateOf, ecKey, spkiOf } from '../../../support/certificates.ts'
import {
  PARTY,
  TESTER,
  type TransferWorld,
  openTrade,
  openTransferWorld,
  someVouchers,
} from '../../../support/transfer-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const guidOf = (voucher: Voucher) => toHex(voucher.header.value.guid)

/** As if the partner had signed a challenge. */
async function prove(world: TransferWorld, ...spkis: readonly Uint8Array[]) {
  for (const spki of spkis) {
    await world.database.db
      .updateTable('partner_key')
      .set({ proven_at: '2026-01-01T00:00:00.000Z', proven_how: 'signature' })
      .where('fingerprint', '=', hashOf(spki))
      .execute()
  }
}

/** A seller with vouchers, and a buyer whose key it knows. */
async function trade(count: number, { push = true, proven = true } = {}) {
  const made = await openTrade()
  open.push(made)
  const { seller, buyer, buyersKey } = made
  const { json: token } = await buyer.api('POST', '/inbox-tokens', { name: 'Seller' })
  const { json: partner } = await seller.api('POST', '/partners', {
    name: 'Buyer',
    ...(push && { push_url: `${buyer.base}/api/v1/vouchers`, token: token.token }),
    keys: [toPem('PUBLIC KEY', buyersKey.key.spki)],
  })
  if (proven) await prove(seller, buyersKey.key.spki)
  const vouchers = await someVouchers(count)
  await seller.desk.import(
    vouchers.map(({ bytes }) => bytes),
    TESTER,
  )
  const guids = vouchers.map(guidOf)
  const send = (body: object = {}) =>
    seller.api('POST', '/transfers', { partner: partner.id, vouchers: guids, ...body })
  const pushes = () => seller.api('GET', '/transfers').then(({ json }) => json.items)
  return { ...made, partner, guids, send, pushes }
}

describe('vouchers handed over', () => {
  it('are extended, pushed, and with their buyer', async () => {
    const { seller, buyer, send, pushes, guids } = await trade(10)
    seller.transfer.start()
    const { status, json } = await send()
    expect(status).toBe(200)
    expect(json.items.map(({ guid }: { guid: string }) => guid)).toEqual(guids)
    for (const { ok, check, detail, transfer } of json.items) {
      expect([ok, check, detail]).toEqual([true, null, null])
      expect((await seller.api('GET', `/transfers/${transfer}`)).status).toBe(200)
    }
    await seller.until(pushes, (items) =>
      items.every(({ state }: { state: string }) => state === 'delivered'),
    )
    expect(Object.values(await buyer.voucherStates())).toEqual(Array(10).fill('held'))
    expect(Object.values(await seller.voucherStates())).toEqual(Array(10).fill('handed-over'))
  })

  it('stay so when it is asked for again, each pushed once', async () => {
    const { seller, buyer, send, pushes, guids } = await trade(3)
    const { json: first } = await send({ vouchers: [...guids, ...guids] })
    expect(first.items).toHaveLength(3)
    const { json: second } = await send()
    expect(second.items).toEqual(
      first.items.map((one: object) => ({ ...one, detail: 'handed over already' })),
    )
    seller.transfer.start()
    await seller.until(pushes, (items) =>
      items.every(({ state }: { state: string }) => state === 'delivered'),
    )
    expect(buyer.admitted).toHaveLength(3)
    expect((await seller.desk.find(PARTY, guids[0] ?? '')).entries).toBe(2)
  })

  it('are pushed by a repeat where the partner had no address before', async () => {
    const { seller, buyer, partner, buyersKey, send } = await trade(1, { push: false })
    expect((await send()).json.items).toMatchObject([{ ok: true, transfer: null }])
    await seller.api('PUT', `/partners/${partner.id}`, {
      name: 'Buyer',
      push_url: `${buyer.base}/api/v1/vouchers`,
      keys: [toPem('PUBLIC KEY', buyersKey.key.spki)],
    })
    expect((await send()).json.items).toMatchObject([
      { ok: true, detail: 'handed over already', transfer: expect.stringMatching(/^fdot_/) },
    ])
  })

  it('go to a partner by its name, too', async () => {
    const { send } = await trade(1)
    expect((await send({ partner: 'Buyer' })).json.items).toMatchObject([{ ok: true }])
  })

  it('are pushed after all where we died after the sale', async () => {
    const { seller, buyer, send, pushes } = await trade(2)
    await send()
    // Nothing was started: whatever is pushed is what the database says.
    expect(buyer.admitted).toEqual([])
    seller.transfer.start()
    await seller.until(pushes, (items) =>
      items.every(({ state }: { state: string }) => state === 'delivered'),
    )
    expect(buyer.admitted).toHaveLength(2)
  })
})

describe('each voucher by itself is refused', () => {
  const itemsOf = ({ json }: { json: { items: object[] } }) => json.items

  it('to a key that is not proven, unless that is wanted', async () => {
    const { seller, partner, send, guids } = await trade(1, { proven: false })
    expect(itemsOf(await send())).toMatchObject([
      {
        ok: false,
        check: 'key-not-proven',
        detail: `the P-256 key of Buyer is not proven: firstlight partner challenge ${partner.id}`,
        transfer: null,
      },
    ])
    expect(await seller.desk.find(PARTY, guids[0] ?? '')).toMatchObject({
      state: 'held',
      entries: 1,
    })
    expect(itemsOf(await send({ unproven: true }))).toMatchObject([{ ok: true }])
  })

  it('where it is not there, or not held', async () => {
    const { seller, send, guids } = await trade(2)
    const [first = '', second = ''] = guids
    const { json: other } = await seller.api('POST', '/partners', {
      name: 'Other',
      keys: [toPem('PUBLIC KEY', spkiOf(ecKey()))],
    })
    await send({ vouchers: [first] })
    const vouchers = [first, 'ff'.repeat(16), second]
    expect(itemsOf(await send({ partner: other.id, vouchers, unproven: true }))).toMatchObject([
      { guid: first, ok: false, check: 'not-held', detail: 'this voucher is handed-over' },
      { guid: vouchers[1], ok: false, check: 'not-found' },
      { guid: second, ok: true },
    ])
  })

  it('where the partner has no key of its kind', async () => {
    const { seller, guids } = await trade(1)
    const spki = spkiOf(ecKey('P-384'))
    await seller.api('POST', '/partners', { name: 'P', keys: [toPem('PUBLIC KEY', spki)] })
    const sent = await seller.api('POST', '/transfers', { partner: 'P', vouchers: guids })
    expect(itemsOf(sent)).toMatchObject([
      { check: 'no-key-of-kind', detail: expect.stringContaining('no P-256 key of P: ask them') },
    ])
  })

  it('where several keys fit, until one is named', async () => {
    const { seller, partner, buyersKey, send, guids } = await trade(2)
    const [one, two] = [buyersKey.key.spki, spkiOf(ecKey())]
    const keys = [one, two].map((spki) => toPem('PUBLIC KEY', spki))
    await seller.api('PUT', `/partners/${partner.id}`, { name: 'Buyer', keys })
    // Proven ones come first.
    expect(itemsOf(await send({ vouchers: [guids[0]] }))).toMatchObject([{ ok: true }])
    await prove(seller, two)
    const vouchers = [guids[1]]
    expect(itemsOf(await send({ vouchers }))).toMatchObject([{ check: 'several-keys' }])
    const none = 'ab'.repeat(32)
    expect(itemsOf(await send({ vouchers, key: none }))).toMatchObject([
      { check: 'no-key-of-kind', detail: expect.stringContaining(none) },
    ])
    expect(itemsOf(await send({ vouchers, key: hashOf(two) }))).toMatchObject([{ ok: true }])
    expect(await seller.desk.find(PARTY, guids[1] ?? '')).toMatchObject({ owner_key: hashOf(two) })
  })

  it('where the key changes at the last moment', async () => {
    const { seller, partner, send, guids } = await trade(1)
    const { commit } = seller.database
    seller.database.commit = (work, options) => {
      seller.database.commit = commit
      return commit(async (tx) => {
        await tx.deleteFrom('partner_key').where('partner', '=', partner.id).execute()
        return work(tx)
      }, options)
    }
    expect(itemsOf(await send())).toMatchObject([{ ok: false, check: 'key-changed' }])
    expect(await seller.desk.find(PARTY, guids[0] ?? '')).toMatchObject({ state: 'held' })
  })
})

describe('the request', () => {
  it.each([
    ['to nobody', { partner: undefined }, 400],
    ['to two', { party: 'x' }, 400],
    ['of nothing', { vouchers: [] }, 400],
    ['of too many', { vouchers: Array(1001).fill('00'.repeat(16)) }, 400],
    ['of what is no GUID', { vouchers: ['x'] }, 400],
    ['to a partner that is not there', { partner: 'fdor_none' }, 404],
    ['to a party that is not there', { partner: undefined, party: 'none' }, 404],
  ])('%s is refused as a whole', async (_, body, status) => {
    const { send } = await trade(1)
    expect((await send(body)).status).toBe(status)
  })

  it('finds partners and vouchers of one party alone', async () => {
    const { seller, send, guids } = await trade(1)
    seller.actAs('fdop_other')
    expect((await send()).status).toBe(404)
    await seller.api('POST', '/partners', { name: 'Mine', keys: [] })
    const sent = await seller.api('POST', '/transfers', { partner: 'Mine', vouchers: guids })
    expect(itemsOfAll(sent)).toEqual(['not-found'])
  })
})

const itemsOfAll = ({ json }: { json: { items: { check: string }[] } }) =>
  json.items.map(({ check }) => check)

/** A seller of one voucher of this configuration, and a partner with this key. */
async function tradeOf(configuration: string, keys: readonly string[]) {
  const parts = partsOf(configuration)
  const [, owner] = parts.signers
  const world = await openTransferWorld({ owners: [owner ?? expect.fail()] })
  open.push(world)
  const voucher = await makeVoucher(parts)
  await world.desk.import([voucher.bytes], TESTER)
  await world.api('POST', '/partners', { name: 'Buyer', keys })
  const guid = guidOf(voucher)
  const send = () =>
    world.api('POST', '/transfers', { partner: 'Buyer', vouchers: [guid], unproven: true })
  const last = async () => {
    const { entries } = parseVoucher((await world.desk.find(PARTY, guid)).cbor)
    return entries.at(-1)?.payload.publicKey.value
  }
  return { send, last }
}

describe('the key is written as the one of the header is', () => {
  const key = ecKey()
  const ca = { key: ecKey(), subject: 'ca' }
  const chain = [certificateOf({ key, subject: 'buyer', issuer: ca }), certificateOf(ca)]
  const bare = toPem('PUBLIC KEY', spkiOf(key))
  const certified = chain.map((der) => toPem('CERTIFICATE', der)).join('')

  it.each([
    ['p256-x509-devP256', 1],
    ['p256-x5chain-devP256', 2],
    ['p256-cosekey-devP256', 3],
  ])('%s', async (configuration, encoding) => {
    const { send, last } = await tradeOf(configuration, [certified])
    expect((await send()).json.items).toMatchObject([{ ok: true }])
    const written = await last()
    expect(written).toMatchObject({ encoding, key: { kind: 'p256' } })
    expect(written?.chain).toEqual(encoding === 2 ? chain : undefined)
  })

  it('but bare where it is certificates and the partner has given none', async () => {
    const { send, last } = await tradeOf('p256-x5chain-devP256', [bare])
    expect((await send()).json.items).toMatchObject([{ ok: true }])
    expect(await last()).toMatchObject({ encoding: 1, key: { kind: 'p256' } })
  })

  it('with certificates, of two keys, where it is certificates', async () => {
    const other = toPem('PUBLIC KEY', spkiOf(ecKey()))
    const { send, last } = await tradeOf('p256-x5chain-devP256', [other, certified])
    expect((await send()).json.items).toMatchObject([{ ok: true }])
    expect((await last())?.chain).toEqual(chain)
  })
})

describe('another party of the installation', () => {
  const signer = signerOf(ecKey())
  const parties: PartyPort = {
    isActive: async () => true,
    isSuspended: async () => false,
    find: async (name) => (name === 'acme' ? { id: PARTY, name } : { id: 'fdop_b', name }),
    findById: async (id) => ({ id, name: 'b' }),
    keyOf: async (_id, kind: KeyKind) =>
      kind === 'p256' ? { type: DEFAULT_TYPE[kind], encoding: X509, key: signer.key } : undefined,
    holds: async (id, fingerprint) => id === 'fdop_b' && fingerprint === hashOf(signer.key.spki),
  }

  async function sellerOf(configuration: string) {
    const parts = partsOf(configuration)
    const owners = [parts.signers[1] ?? expect.fail()]
    const world = await openTransferWorld({ owners, services: { parties } })
    open.push(world)
    const voucher = await makeVoucher(parts)
    await world.desk.import([voucher.bytes], TESTER)
    return (party: string) =>
      world.api('POST', '/transfers', { party, vouchers: [guidOf(voucher)] })
  }

  it('gets them by its name, once', async () => {
    const send = await sellerOf('p256-x509-devP256')
    expect((await send('b')).json.items).toMatchObject([{ ok: true, detail: null }])
    expect((await send('b')).json.items).toMatchObject([
      { ok: true, detail: 'handed over already', transfer: null },
    ])
  })

  it('gets none that it has no key for, and nobody sells to themselves', async () => {
    const send = await sellerOf('p384-x509-devP384')
    expect((await send('b')).json.items).toMatchObject([{ check: 'no-key-of-kind' }])
    expect((await send('acme')).status).toBe(409)
  })
})
