import { afterAll, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { silentLog } from '../../../../src/log.ts'
import { didDoor } from '../../../../src/transfer/did/routes.ts'
import { Profiles } from '../../../../src/transfer/did/service.ts'
import { PublicDoor } from '../../../../src/transfer/public-door.ts'
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

const profilesAt = (at: { publicUrl: string; didUrl: string | undefined }) => {
  const [signer] = world.owners
  return new Profiles({
    ...world,
    keys: {
      signerOf: async () => signer,
      publishedBy: async () => ({ active: world.owners.map(({ key }) => key), former: [] }),
    },
    parties: { isActive: async (id) => !world.suspended.has(id) },
    publicUrl: () => at.publicUrl,
    didUrl: () => at.didUrl,
  })
}

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

  it('is not found while it is suspended, nor are its doors', async () => {
    await world.api('PUT', '/transfer-profile', { public: true })
    const path = `/parties/${PARTY}/did.json`
    expect((await get(path)).status).toBe(200)
    world.suspended.add(PARTY)
    expect((await get(path)).status).toBe(404)
    expect((await get(`/transfer/${PARTY}/api/v1/pull/vouchers`)).status).toBe(404)
    world.suspended.delete(PARTY)
    expect((await get(path)).status).toBe(200)
    expect((await get(`/transfer/${PARTY}/api/v1/pull/vouchers`)).status).toBe(401)
    await world.api('PUT', '/transfer-profile', { public: false })
  })

  it('has no did:web without HTTPS, and who asks for its document is told why', async () => {
    const profiles = profilesAt({ publicUrl: 'http://fdo.example', didUrl: undefined })
    await profiles.setPublic({ party: PARTY, id: 'fdoa_1' }, true)
    expect(await profiles.find(PARTY)).toMatchObject({
      did: null,
      pushUrl: `http://fdo.example/transfer/${PARTY}/api/v1/vouchers`,
    })
    expect(await profiles.served(PARTY)).toBeUndefined()
    const door = new PublicDoor({
      ...{ clock: world.clock, log: silentLog, trustedProxies: { addresses: [] } },
      parties: { isSuspended: async () => false },
    })
    const answer = await didDoor(profiles, door).request(`/parties/${PARTY}/did.json`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ error: expect.stringContaining('HTTPS') })
    await profiles.setPublic({ party: PARTY, id: 'fdoa_1' }, false)
  })

  it('names its HTTPS addresses in the document, whatever it tells its partners', async () => {
    const at = { publicUrl: 'http://fdo.example:8080', didUrl: 'https://fdo.example:8443' }
    const profiles = profilesAt(at)
    await profiles.setPublic({ party: PARTY, id: 'fdoa_1' }, true)
    expect(await profiles.find(PARTY)).toMatchObject({
      did: `did:web:fdo.example%3A8443:parties:${PARTY}`,
      pullUrl: `http://fdo.example:8080/transfer/${PARTY}/api/v1/pull/vouchers`,
    })
    expect(await profiles.served(PARTY)).not.toContain('http://')
    await profiles.setPublic({ party: PARTY, id: 'fdoa_1' }, false)
  })

  it('is at the root where it is the home party, below a path where the service is', async () => {
    const didOf = async (publicUrl: string, party: string) => {
      const profiles = profilesAt({ publicUrl, didUrl: publicUrl })
      await profiles.setPublic({ party, id: 'fdoa_1' }, true)
      return (await profiles.find(party)).did
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
  expect(json).toMatchObject({ taken: 1, known: 1, failed: [] })
  expect(Object.values(await buyer.voucherStates())).toEqual(['held', 'held'])
  await made.close()
})
