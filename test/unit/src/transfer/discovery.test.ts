import { afterAll, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { Profiles } from '../../../../src/transfer/did/service.ts'
import { call } from '../../../support/listening.ts'
import {
  PARTY,
  openTrade,
  openTransferWorld,
  someVouchers,
} from '../../../support/transfer-world.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'

const world = await openTransferWorld()
afterAll(() => world.close())
const get = (path: string) => call(`${world.url}${path}`, 'GET', {})

describe('a party', () => {
  it('is not found before it wants to be, nor one that is not there', async () => {
    const paths = [`/parties/${PARTY}/did.json`, '/parties/fdop_nobody/did.json', '/did.json']
    for (const path of [...paths, '/.well-known/did.json', `/parties/${HOME_PARTY}/did.json`]) {
      const { status, body } = await get(path)
      expect(status).toBe(404)
      expect(JSON.parse(body.toString()).error).toBe('there is no such document')
    }
  })

  it('is found by its did:web once it says so, and no more once it says otherwise', async () => {
    const { json } = await world.api('PUT', '/transfer-profile', { public: true })
    expect(json).toMatchObject({
      did: `did:web:127.0.0.1%3A${new URL(world.url).port}:parties:${PARTY}`,
      public: true,
      push_url: `${world.base}/api/v1/vouchers`,
      pull_url: `${world.base}/api/v1/pull/vouchers`,
    })
    const { status, headers, body } = await get(`/parties/${PARTY}/did.json`)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-type': 'application/did+ld+json',
      'cache-control': 'public, max-age=3600',
    })
    expect(JSON.parse(body.toString()).id).toBe(json.did)
    await world.api('PUT', '/transfer-profile', { public: false })
    expect((await get(`/parties/${PARTY}/did.json`)).status).toBe(404)
    expect((await world.api('GET', '/transfer-profile')).json).toEqual({ ...json, public: false })
  })

  it('has no profile without a key', async () => {
    world.actAs('fdop_keyless')
    expect((await world.api('GET', '/transfer-profile')).status).toBe(404)
    world.actAs(PARTY)
  })

  it('is at the root where it is the home party, below a path where the service is', async () => {
    const [signer] = world.owners
    const services = { ...world, keys: { signerOf: async () => signer } }
    const didOf = async (publicUrl: string, party: string) => {
      const profiles = new Profiles({ ...services, publicUrl: () => publicUrl })
      await profiles.setPublic({ party, id: 'fdoa_1' }, true)
      return (await profiles.find(party)).document.did
    }
    expect(await didOf('https://fdo.example', HOME_PARTY)).toBe('did:web:fdo.example')
    expect(await didOf('https://x.example:8443/fdo', HOME_PARTY)).toBe(
      'did:web:x.example%3A8443:fdo',
    )
    expect(await didOf('https://x.example/fdo', 'p')).toBe('did:web:x.example:fdo:parties:p')
  })
})

it('from two DIDs alone, vouchers go both ways', async () => {
  const made = await openTrade()
  const { seller, buyer } = made
  const didOf = async (one: typeof seller) =>
    (await one.api('PUT', '/transfer-profile', { public: true })).json.did
  const { json: toBuyer } = await seller.api('POST', '/partners', {
    name: 'Buyer',
    did: await didOf(buyer),
  })
  const { json: toSeller } = await buyer.api('POST', '/partners', {
    name: 'Seller',
    did: await didOf(seller),
  })
  const [first, second] = await someVouchers(2)
  const pushed = await made.sell(first ?? expect.fail())
  const { guid, cbor } = pushed
  const job = { party: PARTY, partner: toBuyer.id, guid, voucherHash: hashOf(cbor) }
  await seller.database.commit((tx) => seller.transfer.pushes.enqueue(tx, job))
  seller.transfer.start()
  const list = () => seller.api('GET', '/transfers').then(({ json }) => json.items)
  const [done] = await seller.until(list, ([one]) => one.state !== 'waiting')
  expect(done).toMatchObject({ state: 'delivered', last_error: null })
  await made.sell(second ?? expect.fail())
  const { json } = await buyer.api('POST', `/transfer-sources/${toSeller.id}/pull`)
  expect(json).toMatchObject({ taken: 2, failed: [] })
  expect(Object.values(await buyer.voucherStates())).toEqual(['held', 'held'])
  await made.close()
})
