/** What the rendezvous keeps, as its administrators and as owners elsewhere deal with it. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, toHex } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import {
  LOOK_UP,
  type OwnRequestPayload,
  WITHDRAW,
  signOwnRequest,
} from '../../../../protocol/to0/own-registration.ts'
import { extendVoucher } from '../../../../protocol/voucher/extend.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { SECP256R1, X509 } from '../../../../protocol/crypto/public-key.ts'
import { worldOf } from '../../../support/registering.ts'
import { p256 } from '../../../support/pki.ts'
import {
  type RendezvousWorld,
  URL_HERE,
  openRendezvousWorld,
  sourceOf,
} from '../../../support/rendezvous-world.ts'
import { makeVoucher, sell } from '../../../support/vouchers.ts'

const { parts, voucher, owner } = await worldOf()
const { guid } = parts.header
const name = toHex(guid)
const buyer = parts.signers[2]!
const first = { voucher, signer: owner }
const soldOn = { voucher: await sell(parts, voucher, 2), signer: buyer }
const fingerprint = ({ key }: Signer) => createHash('sha256').update(key.spki).digest('hex')

let world: RendezvousWorld
beforeEach(async () => {
  world = await openRendezvousWorld()
})
afterEach(() => world.database.close())

const isLive = async () => {
  const { json } = await world.call('GET', `/registrations/${name}`)
  return json.state === 'live'
}

/** So many rows beside, all of them like the one that is there. */
async function fill(count: number, change: object = {}): Promise<void> {
  const [row] = await world.database.db.selectFrom('registration').selectAll().execute()
  for (let i = 0; i < count; i++) {
    const copy = { ...row!, guid: i.toString(16).padStart(32, '0'), ...change }
    await world.database.db.insertInto('registration').values(copy).execute()
  }
}

describe('an administrator of the rendezvous', () => {
  it('sees what is registered, by whom and until when', async () => {
    await world.register(first)
    const expected = {
      guid: name,
      state: 'live',
      owner_key: fingerprint(owner),
      entries: 1,
      registered_at: '2026-01-02T03:04:05.000Z',
      expires_at: '2026-01-02T04:04:05.000Z',
    }
    expect(await world.call('GET', `/registrations/${name.toUpperCase()}`)).toEqual({
      status: 200,
      json: expected,
    })
    expect((await world.call('GET', '/registrations')).json).toEqual({
      items: [expected],
      next: null,
    })
    world.clock.advance(3_600_000)
    const { json } = await world.call('GET', `/registrations/${name}`)
    expect(json).toMatchObject({ state: 'ended', expires_at: null })
  })

  it('lists by owner and by state, page after page', async () => {
    await world.register(first)
    await fill(5)
    await fill(1, { guid: 'f'.repeat(32), owner_key: Buffer.alloc(32), expires_at: null })
    const pages = async (query: string) => {
      const seen: string[][] = []
      for (let cursor = ''; ;) {
        const { json } = await world.call('GET', `/registrations?limit=2${query}${cursor}`)
        seen.push(json.items.map((one: { guid: string }) => one.guid))
        if (json.next === null) return seen.map((page) => page.length)
        cursor = `&cursor=${json.next}`
      }
    }
    expect(await pages('')).toEqual([2, 2, 2, 1])
    expect(await pages('&state=live')).toEqual([2, 2, 2])
    expect(await pages('&state=ended')).toEqual([1])
    expect(await pages(`&owner_key=${fingerprint(owner)}`)).toEqual([2, 2, 2])
    expect(await pages(`&owner_key=${'0'.repeat(64)}&state=ended`)).toEqual([1])
    expect(await pages(`&owner_key=${'1'.repeat(64)}`)).toEqual([0])
  })

  it('does not have the service search for ever', async () => {
    await world.register(first)
    await fill(4_500)
    let [pages, found] = [0, 0]
    for (let cursor = ''; ; pages++) {
      const { json } = await world.call('GET', `/registrations?state=ended${cursor}`)
      found += json.items.length
      if (json.next === null) break
      cursor = `&cursor=${json.next}`
    }
    expect({ pages, found }).toEqual({ pages: 2, found: 0 })
  })

  it('withdraws one, and its owner may come back', async () => {
    await world.register(first)
    expect((await world.call('DELETE', `/registrations/${name}`)).status).toBe(204)
    expect(await isLive()).toBe(false)
    await expect(world.ask(guid)).rejects.toMatchObject({ code: 'RESOURCE_NOT_FOUND' })
    expect(world.told).toContainEqual([
      'registration-withdrawn',
      expect.objectContaining({ guid: name, by: 'tok_1' }),
    ])
    await world.register(first)
    await world.ask(guid)
  })

  it('forgets one, and believes whoever comes next', async () => {
    await world.register(soldOn)
    await world.call('DELETE', `/registrations/${name}`)
    await expect(world.register(first)).rejects.toThrow('not sold on')
    expect((await world.call('DELETE', `/registrations/${name}?forget=true`)).status).toBe(204)
    await world.register(first)
  })

  it.each([
    ['GET', `/registrations/${'1'.repeat(32)}`, 404],
    ['DELETE', `/registrations/${'1'.repeat(32)}`, 404],
    ['DELETE', `/registrations/${'1'.repeat(32)}?forget=true`, 404],
    ['DELETE', `/rendezvous-alarms/${'1'.repeat(32)}`, 404],
    ['GET', '/registrations/%27%3B--', 400],
    ['GET', '/registrations?state=both', 400],
    ['GET', '/registrations?owner_key=1', 400],
    ['GET', '/rendezvous-alarms?cursor=eA', 400],
  ])('gets a clear answer to %s %s', async (method, path, status) => {
    expect((await world.call(method, path)).status).toBe(status)
  })

  it('may be of no other party, and needs the permission', async () => {
    await world.register(first)
    const { json: policy } = await world.call('GET', '/rendezvous-policy')
    delete policy.is_default
    const calls: [string, string, string, unknown?][] = [
      ['registration:read', 'GET', '/registrations'],
      ['registration:read', 'GET', `/registrations/${name}`],
      ['registration:delete', 'DELETE', `/registrations/${name}`],
      ['registration:read', 'GET', '/rendezvous-alarms'],
      ['registration:delete', 'DELETE', `/rendezvous-alarms/${name}`],
      ['rendezvous-policy:read', 'GET', '/rendezvous-policy'],
      ['rendezvous-policy:write', 'PUT', '/rendezvous-policy', policy],
    ]
    for (const [permission, ...call] of calls) {
      world.as('fdop_other', permission)
      expect((await world.call(...call)).status).toBe(404)
      world.as('fdop_home', 'voucher:read')
      expect((await world.call(...call)).status).toBe(403)
    }
    world.as('fdop_home', 'admin')
    expect(await isLive()).toBe(true)
  })
})

describe('an attempt of a former owner', () => {
  const alarms = async () => (await world.call('GET', '/rendezvous-alarms')).json.items
  const tryAgain = (address = '192.0.2.66') =>
    expect(world.register({ ...first, source: sourceOf(address) })).rejects.toThrow('not sold on')

  it('raises an alarm, counted by device and owner', async () => {
    await world.register(soldOn)
    await tryAgain('192.0.2.1')
    world.clock.advance(1_000)
    await tryAgain()
    expect(await alarms()).toEqual([
      {
        guid: name,
        owner_key: fingerprint(owner),
        times: 2,
        entries: 1,
        source: '192.0.2.66',
        first_at: '2026-01-02T03:04:05.000Z',
        last_at: '2026-01-02T03:04:06.000Z',
      },
    ])
    expect(world.told).toContainEqual([
      'registration-refused',
      expect.objectContaining({ guid: name, owner: fingerprint(owner), source: '192.0.2.66' }),
    ])
    expect((await world.call('DELETE', `/rendezvous-alarms/${name}`)).status).toBe(204)
    expect(await alarms()).toEqual([])
  })

  it('fills no disk, whatever number of buyers it makes up', async () => {
    await world.register(soldOn)
    for (let i = 0; i < 12; i++) {
      const signer = signerOf(p256().privateKey)
      const to = { type: SECP256R1, encoding: X509, key: signer.key } as const
      const madeUp = parseVoucher(await extendVoucher(voucher, owner, to))
      await expect(world.register({ voucher: madeUp, signer })).rejects.toThrow('not sold on')
    }
    const items = await alarms()
    expect(items).toHaveLength(9)
    const others = items.filter((one: { owner_key: string | null }) => one.owner_key === null)
    expect(others).toMatchObject([{ times: 4 }])
    const pages = await world.call('GET', '/rendezvous-alarms?limit=5')
    const rest = await world.call('GET', `/rendezvous-alarms?limit=5&cursor=${pages.json.next}`)
    expect([...pages.json.items, ...rest.json.items]).toEqual(items)
  })

  it('is none where nothing was proven', async () => {
    await world.register(soldOn)
    const thief = world.register({ voucher, signer: buyer })
    await expect(thief).rejects.toMatchObject({ code: 'INVALID_OWNER_SIGN_BODY' })
    expect(await alarms()).toEqual([])
  })
})

describe('an owner whose voucher is signed with tags', () => {
  it('registers as any other, and nobody by a voucher of both styles', async () => {
    const tagged = await makeVoucher(parts, { entryStyle: 'tagged' })
    const mixed = await sell(parts, tagged, 2)
    await expect(world.register({ voucher: mixed, signer: buyer })).rejects.toThrow('entry-style')
    await world.register({ voucher: tagged, signer: owner })
    expect(await isLive()).toBe(true)
  })
})

describe('an owner elsewhere', () => {
  const request = (changes: Partial<OwnRequestPayload> = {}, signer = owner) =>
    signOwnRequest(signer, {
      ...{ purpose: WITHDRAW, audience: URL_HERE, guid, at: world.clock.now().getTime() },
      ...changes,
    })
  const withdraw = async (body: Bytes | Promise<Bytes>) => {
    const { status, json } = await world.post('/withdraw', await body)
    return json?.detail ?? status
  }

  it('looks its registration up', async () => {
    await world.register(first)
    const { status, json } = await world.post('/look-up', await request({ purpose: LOOK_UP }))
    expect({ status, json }).toMatchObject({ status: 200, json: { guid: name, entries: 1 } })
    expect(await world.post('/look-up', await request({ purpose: LOOK_UP }, buyer))).toMatchObject({
      status: 404,
    })
  })

  it('withdraws it, once with each request', async () => {
    await world.register(first)
    world.clock.advance(1_000)
    const signed = await request()
    expect(await withdraw(signed)).toBe(204)
    expect(await isLive()).toBe(false)
    expect(world.told.at(-1)?.[1]).toMatchObject({ guid: name, by: fingerprint(owner) })
    expect(await withdraw(signed)).toMatch('no registration')
    await world.register(first)
    expect(await withdraw(signed)).toMatch('used before')
    world.clock.advance(1_000)
    expect(await withdraw(request())).toBe(204)
  })

  it('withdraws nothing that was registered after it signed', async () => {
    const early = await request()
    world.clock.advance(1_000)
    await world.register(first)
    expect(await withdraw(early)).toMatch('older than the registration')
    expect(await isLive()).toBe(true)
  })

  it.each<[string, Partial<OwnRequestPayload>]>([
    ['signed for another rendezvous', { audience: 'https://other.test' }],
    ['signed for something else', { purpose: LOOK_UP }],
    ['no registration of', { guid: new Uint8Array(16) }],
  ])('gets nowhere with a request %s', async (why, changes) => {
    await world.register(first)
    expect(await withdraw(request(changes))).toMatch(why)
    expect(await isLive()).toBe(true)
  })

  it('has to have a clock that is about right', async () => {
    await world.register(first)
    const now = world.clock.now().getTime()
    for (const at of [now - 301_000, now + 301_000]) {
      expect(await withdraw(request({ at }))).toMatch('look at the clock')
    }
    expect(await isLive()).toBe(true)
    expect(await withdraw(request({ at: now + 299_000 }))).toBe(204)
  })

  it('has to be the one who owns it, and to have signed', async () => {
    await world.register(soldOn)
    world.clock.advance(1_000)
    expect(await withdraw(request())).toMatch('no registration')
    const forged = await request({}, owner)
    const [ours, theirs] = [owner.key.spki, buyer.key.spki]
    const swapped = Buffer.from(toHex(forged).replace(toHex(ours), toHex(theirs)), 'hex')
    expect(await withdraw(swapped)).toMatch('not signed with the key')
    expect(await isLive()).toBe(true)
  })

  it('gets a clear answer to what is no request', async () => {
    const { status } = await world.post('/withdraw', encode([1]))
    expect(status).toBe(400)
    const type = { 'content-type': 'application/json' }
    expect((await world.post('/withdraw', await request(), type)).status).toBe(415)
    const length = { 'content-length': '5000' }
    expect((await world.post('/withdraw', await request(), length)).status).toBe(413)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (body) => {
        expect((await world.post('/look-up', body)).status).toBe(400)
      }),
      { numRuns: 50 },
    )
  })

  it('is told to slow down', async () => {
    const { json } = await world.call('GET', '/rendezvous-policy')
    const { is_default: _, limits, ...policy } = json
    const few = { ...limits, source: { per_second: 1, burst: 1 } }
    await world.call('PUT', '/rendezvous-policy', { ...policy, limits: few })
    world.from('192.0.2.1')
    expect((await world.post('/withdraw', encode([1]))).status).toBe(400)
    expect(await world.post('/withdraw', encode([1]))).toMatchObject({
      status: 429,
      json: { code: 'too-many-requests', detail: 'try again in 1 s' },
    })
    world.from('192.0.2.2')
    expect((await world.post('/look-up', encode([1]))).status).toBe(400)
  })
})
