/** Several parties on one installation: how they come in, and that none sees anything of another. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../src/clock.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { deviceIdOf } from '../../src/vouchers/device-id.ts'
import { madeOf } from '../support/voucher-world.ts'
import { makeVoucher, partsOf, voucherVectors } from '../support/vouchers.ts'
import { fromHex } from '../support/wire.ts'
import { until } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const clock = new FakeClock()
let world: TestService

beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_TRUST: 'any' }, { clock })
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

const api = (method: string, path: string, token?: string, json?: unknown) =>
  world.api(method, `/api/v1${path}`, {
    ...(token && { token }),
    ...(json !== undefined && { json }),
  })

async function invite(name: string, ttl_seconds = 3600): Promise<string> {
  const { json } = await api('POST', '/invitations', undefined, {
    ...{ name, roles: ['owner'], ttl_seconds },
  })
  return (json as { code: string }).code
}

async function join(code: string) {
  const { status, json } = await api('POST', '/parties', code)
  const { party, token } = json as { party: { id: string; name: string }; token: string }
  return { status, party, token, json }
}

describe('an installation', () => {
  it('is one party’s until another is invited', async () => {
    const { json } = await api('GET', '/party')
    expect(json).toMatchObject({ id: HOME_PARTY, name: 'home' })
    expect((await api('PATCH', '/party', undefined, { name: 'acme' })).json).toMatchObject({
      name: 'acme',
    })
    expect((await api('GET', '/parties')).json).toMatchObject({
      items: [{ id: HOME_PARTY, name: 'acme', roles: ['manufacturer', 'reseller', 'owner'] }],
    })
  })
})

describe('an invitation', () => {
  it('brings a party in with a token that acts for it', async () => {
    const { status, party, token } = await join(await invite('reseller'))
    expect(status).toBe(201)
    expect((await api('GET', '/party', token)).json).toMatchObject({
      id: party.id,
      name: 'reseller',
    })
    expect((await api('GET', '/groups', token)).json).toMatchObject({
      items: [{ name: 'default' }],
    })
  })

  it('brings it keys of its own: what it is sold to, and known by', async () => {
    const code = await invite('buyer')
    const { token } = await join(code)
    const keysOf = async (one?: string) => {
      const { items } = (await api('GET', '/keys', one)).json as {
        items: { purpose: string; type: string; fingerprint: string }[]
      }
      return items
    }
    const keys = await keysOf(token)
    const names = keys.map(({ purpose, type }) => `${purpose} ${type}`).sort()
    expect(names).toEqual(['manufacturer p256', 'manufacturer p384', 'owner p256', 'owner p384'])
    const theirs = new Set((await keysOf()).map(({ fingerprint }) => fingerprint))
    expect(keys.filter(({ fingerprint }) => theirs.has(fingerprint))).toEqual([])
    const known = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
    expect((await api('GET', '/transfer-profile', token)).json).toMatchObject({
      key: { fingerprint: known?.fingerprint },
    })
  })

  it('is answered again while nobody has used the token, and the token before is worthless', async () => {
    const code = await invite('lost-answer')
    const first = await join(code)
    const second = await join(code)
    expect(second.party.id).toBe(first.party.id)
    expect((await api('GET', '/party', first.token)).status).toBe(401)
    expect((await api('GET', '/party', second.token)).status).toBe(200)
    expect((await join(code)).json).toMatchObject({ code: 'conflict' })
    expect((await api('GET', '/party', second.token)).status).toBe(200)
  })

  it('is good for joining, and nothing else', async () => {
    const code = await invite('curious')
    for (const path of ['/party', '/parties', '/vouchers', '/tokens']) {
      expect((await api('GET', path, code)).status).toBe(403)
    }
    await api('GET', '/invitations')
  })

  it('lapses, and can be withdrawn', async () => {
    const [late, withdrawn] = [await invite('late', 60), await invite('withdrawn')]
    clock.advance(61_000)
    expect((await join(late)).status).toBe(401)
    const id = withdrawn.slice(0, 'fdoi_'.length + 16)
    expect((await api('DELETE', `/invitations/${id}`)).status).toBe(204)
    expect((await api('DELETE', `/invitations/${id}`)).status).toBe(404)
    expect((await join(withdrawn)).status).toBe(401)
  })

  it('is kept as a hash', async () => {
    const code = await invite('hashed')
    const { database } = world.service.services
    const rows = await database.db.selectFrom('invitation').selectAll().execute()
    expect(JSON.stringify(rows)).not.toContain(code.slice(-43))
    expect(JSON.stringify((await api('GET', '/invitations')).json)).not.toContain(code.slice(-43))
    expect((await join(`${code.slice(0, -1)}!`)).status).toBe(401)
    expect((await join(`${code.slice(0, -43)}${'A'.repeat(43)}`)).status).toBe(401)
  })

  it('is for a name that nobody has, then and later', async () => {
    expect(
      (await api('POST', '/invitations', undefined, { name: 'acme', roles: ['owner'] })).status,
    ).toBe(409)
    const [one, other] = [await invite('twin'), await invite('twin')]
    expect((await join(one)).status).toBe(201)
    expect((await join(other)).status).toBe(409)
    const { token } = await join(await invite('renamer'))
    expect((await api('PATCH', '/party', token, { name: 'twin' })).status).toBe(409)
    expect((await api('PATCH', '/party', token, { name: 'renamer' })).status).toBe(200)
  })

  it.each([
    { name: 'No Good', roles: ['owner'] },
    { name: 'a', roles: [] },
    { name: 'a', roles: ['king'] },
  ])('is refused as %j', async (body) => {
    expect((await api('POST', '/invitations', undefined, body)).status).toBe(400)
  })
})

describe('a party that is suspended', () => {
  it('has no one to act for it until it is resumed', async () => {
    const { party, token } = await join(await invite('bankrupt'))
    expect((await api('POST', `/parties/${party.id}/suspend`)).status).toBe(200)
    expect((await api('GET', '/party', token)).status).toBe(401)
    expect((await api('POST', `/parties/${party.id}/resume`)).status).toBe(200)
    expect((await api('GET', '/party', token)).status).toBe(200)
  })

  it('is not the one the installation belongs to, nor one that is not there', async () => {
    expect((await api('POST', `/parties/${HOME_PARTY}/suspend`)).status).toBe(409)
    for (const what of ['suspend', 'resume']) {
      expect((await api('POST', `/parties/fdop_none/${what}`)).status).toBe(404)
    }
  })
})

describe('another party', () => {
  let token: string
  let operations: { method: string; path: string }[]
  /** What the installation's own party has, by the ends of paths. */
  let theirs: Record<string, string>
  /** What must not be told to anybody else. */
  let secrets: string[]

  beforeAll(async () => {
    token = (await join(await invite('stranger'))).token
    // Made by and by: not while they are compared.
    const keys = world.service.services.keyStore.ring(HOME_PARTY)
    for (const purpose of ['owner', 'manufacturer']) await keys.ensure(purpose)
    theirs = await furnish()
    secrets = await namesOfTheirs()
    const { paths } = (await api('GET', '/openapi.json')).json as { paths: Record<string, object> }
    operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
    )
  }, PATIENCE_MS)

  it('has a value here for every parameter of every path', () => {
    const places = operations.flatMap(({ path }) => path.match(PLACE) ?? [])
    expect([...new Set(places)].sort()).toEqual(Object.keys(theirs).sort())
  })

  it('is told in no list of anything that is not its own', async () => {
    const lists = operations.filter(({ method, path }) => method === 'GET' && !path.includes('{'))
    expect(lists.length).toBeGreaterThan(5)
    for (const { path } of lists) {
      const { body } = await api('GET', path, token)
      const told = secrets.filter((secret) => body.toString().includes(secret))
      expect([path, told]).toEqual([path, []])
    }
  })

  it('finds nothing under the name of what another has, and changes nothing', async () => {
    const before = await everythingOfTheirs()
    for (const { method, path } of operations) {
      if (!path.includes('{')) continue
      for (const json of bodiesFor(method, path)) {
        const { status, body } = await api(method, concrete(path), token, json)
        // Some names are each party's own to give: what stands there then is its own.
        const expected = MAKES_ITS_OWN.has(`${method} ${path}`) ? [200, 204, 404] : [403, 404]
        expect([method, path, expected.includes(status), status]).toEqual([
          ...[method, path, true, status],
        ])
        for (const secret of secrets.filter((one) => !concrete(path).includes(one))) {
          expect([path, body.toString().includes(secret)]).toEqual([path, false])
        }
      }
    }
    expect(await everythingOfTheirs()).toEqual(before)
  })

  it('gives no token more than it holds itself, whatever it asks for', async () => {
    const { json } = await api('POST', '/tokens', token, { name: 'x', scopes: ['admin'] })
    const made = (json as { token: string }).token
    for (const path of ['/parties', '/invitations']) {
      expect((await api('GET', path, made)).status).toBe(403)
    }
    const beyond = { name: 'x', scopes: ['party:invite'] }
    expect((await api('POST', '/tokens', token, beyond)).status).toBe(400)
  })

  const concrete = (path: string) =>
    path.replaceAll(PLACE, (place, kind: string) => `${kind}/${theirs[place] ?? 'unknown'}`)

  async function everythingOfTheirs() {
    const told: [path: string, body: string][] = []
    for (const { method, path } of operations) {
      if (method !== 'GET' || path === '/openapi.json') continue
      const { body } = await api('GET', concrete(path))
      told.push([path, body.toString().replace(/urn:fdo:request:\w+/, '')])
    }
    return told
  }
})

/** A kind of thing, and the parameter that names one. */
const PLACE = /(\w[\w-]*)\/\{\w+\}/g

/** A PUT of a plan makes one of the caller's own. */
const MAKES_ITS_OWN = new Set([
  ...['PUT /plans/{name}', 'GET /plans/{name}', 'DELETE /plans/{name}'],
  ...['GET /plans/{name}/versions', 'GET /plans/{name}/versions/{version}'],
])

/** Bodies that the operation would take, were the thing the caller's. */
function bodiesFor(method: string, path: string): readonly unknown[] {
  if (method === 'GET' || method === 'DELETE') return [undefined]
  // Takes PEM: order-parties.test.ts sends some.
  if (path === '/orders/{id}/device-certificates') return []
  const known: Record<string, unknown> = {
    'POST /vouchers/{guid}/sell': { to: 'self' },
    'PATCH /devices/{device}': { group: 'default' },
    'PATCH /groups/{name}': { scopes: [] },
    'PUT /plans/{name}': { steps: [] },
    'POST /plans/{name}/versions/{version}/approve': { digest: '0'.repeat(64) },
    'PATCH /plans/{name}/rollout': { share: 1 },
    'POST /webhooks/{id}/replay': { from_seq: 1 },
    'PUT /partners/{id}': { name: 'mine' },
    'PUT /transfer-sources/{id}': { every_seconds: null },
    'POST /partners/{id}/keys/{fingerprint}/proof': { challenge: 'x', signature: 'x' },
    'POST /identity-providers/{id}/test': { token: 'x' },
    'POST /orders/{id}/shares': { line: 'cd'.repeat(32) },
    'POST /order-shares/{id}/close': { statement: 'x' },
    'POST /order-shares/{id}/devices': {
      devices: [
        { voucher: 'AA==', serial: '', label: '', station: null, made_at: '2026-01-01T00:00:00Z' },
      ],
    },
  }
  return [known[`${method} ${path}`] ?? {}]
}

/** One of everything, for the installation's own party. */
async function furnish(): Promise<Record<string, string>> {
  // Those that take long to make must not turn up between two looks.
  const ring = world.service.services.keyStore.ring(HOME_PARTY)
  await Promise.all(['manufacturer', 'owner'].map((purpose) => ring.ensure(purpose)))
  const [vector] = voucherVectors.filter(({ name }) => name === 'p256-x509-devP256')
  await upload('/keys', fromHex(vector?.ownerKeysPkcs8[1] ?? ''))
  const voucher = await makeVoucher(partsOf())
  const device = deviceIdOf(HOME_PARTY, madeOf(voucher).deviceKey)
  const imported = await upload<{ items: { guid: string; ok: boolean }[] }>(
    '/vouchers',
    voucher.bytes,
  )
  const [{ guid = '' } = {}] = imported.items
  // The rendezvous it names is nowhere; while the clock stands still nobody asks again.
  await until('its rendezvous has been asked', async () => {
    const { json } = await api('GET', `/devices/${device}`)
    return (json as { to0: { last_error: string | null } }).to0.last_error !== null
  })
  const { ref } = await upload<{ ref: string }>('/plan-contents', Buffer.from('confidential'))
  const name = 'cameras'
  await api('POST', '/groups', undefined, { name, scopes: [] })
  await api('POST', '/plans', undefined, { name, description: 'theirs-alone', steps: [] })
  const made = await api('POST', '/tokens', undefined, { name: 'theirs-too', scopes: ['read'] })
  const { id } = made.json as { id: string }
  await world.service.services.database.db
    .insertInto('upload')
    .values({
      ...{ device_id: device, run_id: 'a', name: 'n' },
      ...{ length: 1, is_kept: 1, created_at: '' },
    })
    .execute()
  const witness = await api('POST', '/audit/witnesses', undefined, {
    ...{ name: 'theirs-alone', public_key: publicKeyPem() },
  })
  const { fingerprint } = witness.json as { fingerprint: string }
  const invitation = (await invite('they-invite')).slice(0, 'fdoi_'.length + 16)
  const station = await api('POST', '/stations', undefined, { name: 'their-line', secret: true })
  const wanted = { name: 'their-order', quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
  const order = await api('POST', '/orders', undefined, wanted)
  return {
    ...(await furnishTransfer(guid)),
    'registrations/{guid}': guid,
    'rendezvous-alarms/{guid}': guid,
    'webhooks/{id}': await furnishWebhook(),
    'stations/{id}': (station.json as { id: string }).id,
    'orders/{id}': (order.json as { id: string }).id,
    ...(await furnishLine((order.json as { id: string }).id)),
    'vouchers/{guid}': guid,
    'devices/{device}': device,
    'groups/{name}': name,
    'plans/{name}': name,
    'versions/{version}': '1',
    'plan-contents/{ref}': ref,
    'uploads/{id}': '1',
    'tokens/{id}': id,
    'keys/{id}': ring.list()[0]?.id ?? '',
    'clients/{id}': await furnishClient(),
    'identity-providers/{id}': await furnishProvider(),
    'parties/{id}': HOME_PARTY,
    'invitations/{id}': invitation,
    'witnesses/{fingerprint}': fingerprint,
  }
}

/** A share of an order for a line, and who signs orders for the line here. */
async function furnishLine(order: string): Promise<Record<string, string>> {
  const fingerprint = 'ab'.repeat(32)
  await api('POST', `/orders/${order}/open`, undefined, { force: true })
  const share = await api('POST', `/orders/${order}/shares`, undefined, { line: fingerprint })
  const row = { party: HOME_PARTY, fingerprint, name: 'theirs-too', created_at: '' }
  await world.service.services.database.db.insertInto('order_issuer').values(row).execute()
  return {
    'order-shares/{id}': (share.json as { id: string }).id,
    'order-issuers/{fingerprint}': fingerprint,
  }
}

async function furnishTransfer(guid: string): Promise<Record<string, string>> {
  const pull_url = `${world.service.http}/transfer/nobody/api/v1/pull/vouchers`
  const partner = await api('POST', '/partners', undefined, {
    ...{ name: 'theirs-too', pull_url, keys: [publicKeyPem()] },
  })
  const { id, keys } = partner.json as { id: string; keys: { fingerprint: string }[] }
  const rule = await api('POST', '/transfer-rules', undefined, {
    ...{ model: 'theirs-alone', partner: id },
  })
  const token = await api('POST', '/inbox-tokens', undefined, { name: 'theirs-too' })
  const job = {
    ...{ id: 'fdot_theirs', party: HOME_PARTY, partner: id, guid, voucher_hash: '00' },
    ...{ state: 'delivered' as const, attempts: 1, next_at: '', last_error: 'theirs-alone' },
    ...{ created_at: '', updated_at: '' },
  }
  await world.service.services.database.db.insertInto('push_job').values(job).execute()
  return {
    'partners/{id}': id,
    'transfer-sources/{id}': id,
    'inbox-tokens/{id}': (token.json as { id: string }).id,
    'transfers/{id}': job.id,
    'transfer-rules/{id}': (rule.json as { id: string }).id,
    'keys/{fingerprint}': keys[0]?.fingerprint ?? '',
  }
}

/** It is told nothing while it is looked at. */
async function furnishWebhook(): Promise<string> {
  const url = `${world.service.http}/theirs-alone`
  const { json } = await api('POST', '/webhooks', undefined, { url })
  const { id } = json as { id: string }
  await api('PATCH', `/webhooks/${id}`, undefined, { enabled: false })
  return id
}

async function furnishClient(): Promise<string> {
  const auth = { method: 'client_secret_basic' }
  const wanted = { name: 'theirs-too', scopes: ['read'], auth }
  const { json } = await api('POST', '/clients', undefined, wanted)
  return (json as { client_id: string }).client_id
}

async function furnishProvider(): Promise<string> {
  const { http } = world.service
  const { json } = await api('POST', '/identity-providers', undefined, {
    ...{ name: 'theirs-too', issuer: http, audience: 'x', jwks_uri: `${http}/oauth/jwks` },
    ...{ claim: 'roles', roles: { x: ['read'] } },
  })
  return (json as { id: string }).id
}

function publicKeyPem(): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

async function upload<T = unknown>(path: string, body: Uint8Array): Promise<T> {
  const headers = { 'content-type': 'application/octet-stream' }
  const { status, json } = await world.api('POST', `/api/v1${path}`, { body, headers })
  expect([path, status < 300]).toEqual([path, true])
  return json as T
}

async function namesOfTheirs(): Promise<string[]> {
  const { keyStore } = world.service.services
  const keys = keyStore.ring(HOME_PARTY).list()
  const vouchers = (await api('GET', '/vouchers')).json as { items: Record<string, string>[] }
  const tokens = (await api('GET', '/tokens')).json as { items: { id: string }[] }
  return [
    ...keys.flatMap(({ id, fingerprint }) => [id, fingerprint]),
    ...vouchers.items.flatMap(({ guid = '', device_id = '' }) => [guid, device_id]),
    ...tokens.items.map(({ id }) => id),
    ...['cameras', 'theirs-alone', 'theirs-too', 'their-line', 'their-order'],
  ]
}
