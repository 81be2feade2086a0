/** People who call with tokens of their organisation's own OpenID provider. */
import { type KeyObject, createPublicKey } from 'node:crypto'
import { SignJWT, base64url, decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeClock } from '../../src/clock.ts'
import { addParty, now, programKey } from '../support/callers.ts'
import { type OwnProvider, ownProvider, realProvider } from '../support/identity-providers.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const AUDIENCE = 'https://fdo.acme.example'
const ROLES = { 'fdo-auditors': ['auditor'], 'fdo-fleet': ['fleet-operator', 'voucher:sell'] }

let world: TestService
let clock: FakeClock
let provider: OwnProvider
let id: string

const api = (method: string, path: string, json?: unknown, token?: string) =>
  world.api(method, `/api/v1${path}`, {
    ...(token !== undefined && { token }),
    ...(json !== undefined && { json }),
  })

const wanted = (changes: object = {}) => ({
  ...{ name: 'acme', issuer: provider.issuer, audience: AUDIENCE },
  ...{ claim: 'realm_access.roles', roles: ROLES },
  ...changes,
})

async function add(changes: object = {}, token?: string): Promise<string> {
  const { status, json } = await api('POST', '/identity-providers', wanted(changes), token)
  expect(status, JSON.stringify(json)).toBe(201)
  return (json as { id: string }).id
}

const statusOf = async (token: string, path = '/vouchers') =>
  (await api('GET', path, undefined, token)).status

/** What the service says of a token. */
async function test(token: string) {
  const { json } = await api('POST', `/identity-providers/${id}/test`, { token })
  return json as { accepted: boolean; reason?: string }
}

beforeAll(async () => {
  clock = new FakeClock(new Date())
  world = await startTestService({}, { clock })
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

beforeEach(async () => {
  provider = await ownProvider(AUDIENCE)
  id = await add()
})
afterEach(async () => {
  await provider.close()
  await api('DELETE', `/identity-providers/${id}`)
})

describe('a token of a provider', () => {
  it('lets its bearer do what its claim is mapped to', async () => {
    const token = await provider.token()
    expect(await statusOf(token)).toBe(200)
    const { json } = await api('POST', '/groups', { name: 'x', scopes: [] }, token)
    expect(json).toMatchObject({ code: 'not-permitted' })
    expect(await test(token)).toMatchObject({
      accepted: true,
      principal: { id: `oidc:${id}:u-1`, name: 'grace' },
      values: ['fdo-auditors', 'other'],
      scopes: ['auditor'],
    })
  })

  it('makes two of the same subject where two parties have the same issuer', async () => {
    const { token } = await addParty(world, 'same-issuer')
    const theirs = await add({ audience: 'https://other.example' }, token)
    const make = async (aud: string | string[], name: string) => {
      const bearer = await provider.token({ aud, realm_access: { roles: ['fdo-fleet'] } })
      const { json } = await world.api('POST', '/api/v1/groups', {
        token: bearer,
        json: { name, scopes: [] },
        headers: { 'idempotency-key': 'same' },
      })
      return json
    }
    const ours = await make(AUDIENCE, 'ours')
    expect(ours).toMatchObject({ name: 'ours' })
    expect(await make(['https://other.example', theirs], 'theirs')).toMatchObject({
      name: 'theirs',
    })
    expect(await make(AUDIENCE, 'ours')).toEqual(ours)
  })

  it('of oidc-provider is accepted, too', async () => {
    const said = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const real = await realProvider(AUDIENCE)
    const other = await add({ issuer: real.issuer, claim: 'groups' })
    const token = await real.token()
    expect(decodeJwt(token).iss).toBe(real.issuer)
    expect(await statusOf(token)).toBe(200)
    const made = await api('POST', '/groups', { name: 'by-a-job', scopes: [] }, token)
    expect(made.status).toBe(201)
    expect(await statusOf(token, '/tokens')).toBe(403)
    await api('DELETE', `/identity-providers/${other}`)
    expect(await statusOf(token)).toBe(401)
    await real.close()
    said.mockRestore()
  })

  it('whose claim is mapped to nothing permits nothing', async () => {
    for (const realm_access of [{ roles: ['other'] }, { roles: 'x y' }, {}, null, [], 7]) {
      expect(await statusOf(await provider.token({ realm_access }))).toBe(403)
    }
    expect(await statusOf(await provider.token({ realm_access: { roles: 'fdo-auditors' } }))).toBe(
      200,
    )
  })

  it('permits at once what its provider is changed to', async () => {
    const token = await provider.token()
    expect(await statusOf(token, '/tokens')).toBe(200)
    await api('PATCH', `/identity-providers/${id}`, { roles: { 'fdo-auditors': ['voucher:read'] } })
    expect(await statusOf(token, '/tokens')).toBe(403)
    expect(await statusOf(token)).toBe(200)
    await api('DELETE', `/identity-providers/${id}`)
    expect(await statusOf(token)).toBe(401)
  })

  it('may be signed by a key that is new, or not any more by one that is gone', async () => {
    const first = await provider.token()
    expect(await statusOf(first)).toBe(200)
    const next = await programKey('RS256', 'next')
    provider.keys = [next.jwk]
    clock.advance(31_000)
    expect(await statusOf(await provider.token({}, {}, next))).toBe(200)
    expect(await statusOf(first)).toBe(401)
  })

  it('may be an access token by its type', async () => {
    expect(await statusOf(await provider.token({}, { typ: 'at+jwt' }))).toBe(200)
    expect(await statusOf(await provider.token({}, { typ: 'application/at+jwt' }))).toBe(200)
    expect(await statusOf(await provider.token({}, { typ: 'JWT' }))).toBe(200)
  })

  it('is good within a minute of its times', async () => {
    const at = Math.floor(clock.now().getTime() / 1000)
    expect(await statusOf(await provider.token({ exp: at - 55 }))).toBe(200)
    expect(await statusOf(await provider.token({ nbf: at + 55 }))).toBe(200)
    expect(await statusOf(await provider.token({ exp: at - 65 }))).toBe(401)
    expect(await statusOf(await provider.token({ nbf: at + 65 }))).toBe(401)
  })
})

describe('a token is refused, and the test says why', () => {
  const refused = async (token: string, reason: string | RegExp) => {
    const answer = await api('GET', '/vouchers', undefined, token)
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", /)
    expect((await test(token)).reason).toMatch(reason)
  }

  it('of another issuer, or for somebody else', async () => {
    await refused(await provider.token({ iss: `${provider.issuer}/` }), /"iss"/)
    await refused(await provider.token({ aud: 'https://elsewhere.example' }), /"aud"/)
    await refused(await provider.token({ aud: undefined }), /"aud"/)
    await refused(await provider.token({ exp: undefined }), /"exp"/)
    await refused(await provider.token({ sub: undefined }), /"sub"/)
    await refused(await provider.token({ sub: 'a\nb' }), /printable/)
    await refused(await provider.token({ sub: 'x'.repeat(256) }), /printable/)
  })

  it('by another key, whatever its header offers', async () => {
    const stranger = await programKey('ES256', 'first')
    await refused(await provider.token({}, {}, stranger), /signature/)
    const offers = [
      { jwk: stranger.jwk },
      { jku: 'https://x.example' },
      { x5u: 'https://x.example' },
    ]
    for (const offer of offers)
      await refused(await provider.token({}, offer, stranger), /signature/)
    await refused(await provider.token({}, { kid: 'unknown' }), /kid/)
  })

  it('without a signature, or under a public key as a secret', async () => {
    const claims = decodeJwt(await provider.token())
    const none = base64url.encode(JSON.stringify({ alg: 'none' }))
    await refused(`${none}.${base64url.encode(JSON.stringify(claims))}.`, /./)
    const publicKey: KeyObject = createPublicKey({ key: provider.key.jwk, format: 'jwk' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' })
    for (const secret of [pem, JSON.stringify(provider.key.jwk)]) {
      const hmac = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' })
      await refused(await hmac.sign(Buffer.from(secret)), /Algorithm/)
    }
  })

  it('of another kind', async () => {
    await refused(await provider.token({}, { typ: 'logout+jwt' }), /typ/)
    await refused('a.b.c', /not a JWT/)
    expect((await test('x')).accepted).toBe(false)
  })

  it('that fits several keys without naming one', async () => {
    const other = await programKey('ES256', 'other')
    provider.keys = [provider.key.jwk, other.jwk]
    clock.advance(11 * 60_000)
    await refused(await provider.token({ exp: now() + 3600 }, { kid: undefined }), /several keys/)
  })

  it('that is huge', async () => {
    const token = await provider.token({ padding: 'x'.repeat(17_000) })
    expect(await statusOf(token)).toBe(431)
    expect((await api('POST', `/identity-providers/${id}/test`, { token })).status).toBe(400)
  })

  it('once the party is suspended', async () => {
    const party = await addParty(world, 'asleep')
    await api('DELETE', `/identity-providers/${id}`)
    const theirs = await add({}, party.token)
    const token = await provider.token({ aud: [AUDIENCE, theirs] })
    expect(await statusOf(token)).toBe(200)
    await api('POST', `/parties/${party.id}/suspend`)
    expect(await statusOf(token)).toBe(401)
  })

  it('that is meant for two parties', async () => {
    const party = await addParty(world, 'beside')
    const other = 'https://beside.example'
    const theirs = await add({ audience: other }, party.token)
    expect(await statusOf(await provider.token({ aud: [other, theirs] }))).toBe(200)
    expect(await statusOf(await provider.token({ aud: [AUDIENCE, 'x'] }))).toBe(200)
    expect(await statusOf(await provider.token({ aud: [AUDIENCE, other, id, theirs] }))).toBe(401)
  })

  it('that names nobody, of a provider that only another party has', async () => {
    const { token } = await addParty(world, 'unnamed')
    await add({ audience: 'https://unnamed.example' }, token)
    expect(await statusOf(await provider.token({ aud: 'https://unnamed.example' }))).toBe(401)
  })
})

describe('a provider is added', () => {
  const refusal = async (changes: object, token?: string) => {
    const { json } = await api('POST', '/identity-providers', wanted(changes), token)
    return json as { code: string; detail: string }
  }

  it('once by a party for an issuer and an audience', async () => {
    expect((await refusal({})).code).toBe('conflict')
    const { token } = await addParty(world, 'late')
    await add({}, token)
    expect((await refusal({}, token)).code).toBe('conflict')
  })

  it('where its keys can be had, of the issuer that was meant', async () => {
    const { origin } = new URL(provider.issuer)
    expect(await refusal({ issuer: origin, audience: 'x' })).toMatchObject({
      code: 'check-failed',
      detail: expect.stringContaining('answered 404'),
    })
    const issuer = `${provider.issuer}/`
    expect((await refusal({ issuer, audience: 'x' })).detail).toContain('is of the issuer')
    for (const issuer of ['http://acme.example', 'acme', 'https://u:p@acme.example']) {
      expect((await refusal({ issuer, audience: 'x' })).code).toBe('invalid-request')
    }
    const jwks_uri = `${origin}/nothing`
    expect((await refusal({ jwks_uri, audience: 'x' })).code).toBe('check-failed')
  })

  it('by nobody who gives more than they hold', async () => {
    const scopes = ['identity-provider:read', 'identity-provider:write', 'voucher:read']
    const { token } = (await api('POST', '/tokens', { name: 'x', scopes })).json as {
      token: string
    }
    expect((await refusal({ audience: 'x' }, token)).code).toBe('not-permitted')
    const path = `/identity-providers/${id}`
    expect((await api('PATCH', path, { claim: 'groups' }, token)).status).toBe(403)
    expect((await refusal({ roles: { a: ['king'] } })).code).toBe('invalid-request')
  })

  it('for its own party, and seen by no other', async () => {
    const { token } = await addParty(world, 'curious')
    const path = `/identity-providers/${id}`
    const calls = [
      api('GET', path, undefined, token),
      api('PATCH', path, { name: 'x' }, token),
      api('DELETE', path, undefined, token),
      api('POST', `${path}/test`, { token: 'x' }, token),
    ]
    for (const { status } of await Promise.all(calls)) expect(status).toBe(404)
    const { json } = await api('GET', '/identity-providers', undefined, token)
    expect(json).toEqual({ items: [], next: null })
    expect((await api('GET', '/identity-providers')).json).toMatchObject({ items: [{ id }] })
    expect((await api('GET', path)).json).toMatchObject({ jwks_uri: `${provider.issuer}/keys` })
  })
})

describe('an issuer and an audience that several parties claim', () => {
  const groupsSeen = async (bearer: string) =>
    (await api('GET', '/identity-providers', undefined, bearer)).json as {
      items: { id: string; is_named: boolean }[]
    }
  const administrator = { roles: { admins: ['admin'] }, claim: 'groups' }

  it('are no loss to whom they belong, whoever was first', async () => {
    const squatter = await addParty(world, 'squatter')
    const rightful = await addParty(world, 'rightful')
    const audience = 'https://squatted.example'
    const first = await add({ ...administrator, audience }, squatter.token)
    const second = await add({ ...administrator, audience }, rightful.token)
    // As an app role, a group or a mapper of the provider puts it there.
    const bearer = await provider.token({ aud: audience, groups: ['admins', second] })
    expect((await groupsSeen(bearer)).items.map((one) => one.id)).toEqual([second])
    const inAudience = await provider.token({ aud: [audience, second], groups: ['admins'] })
    expect((await groupsSeen(inAudience)).items.map((one) => one.id)).toEqual([second])
    expect(await statusOf(await provider.token({ aud: audience, groups: ['admins'] }))).toBe(401)
    const both = await provider.token({ aud: audience, groups: ['admins', first, second] })
    expect(await statusOf(both)).toBe(401)
  })

  it('need not be named by the tokens of the installation’s own party', async () => {
    const squatter = await addParty(world, 'beside-home')
    await add({ ...administrator }, squatter.token)
    expect(await statusOf(await provider.token())).toBe(200)
    const { items } = await groupsSeen(world.adminToken)
    expect(items.find((one) => one.id === id)).toMatchObject({ is_named: false })
  })

  it('are told apart in a test of a token, too', async () => {
    const party = await addParty(world, 'tester')
    const theirs = await add({ audience: 'https://tested.example' }, party.token)
    const tested = async (claims: object) => {
      const token = await provider.token({ aud: ['https://tested.example'], ...claims })
      const path = `/identity-providers/${theirs}/test`
      return (await api('POST', path, { token }, party.token)).json
    }
    expect(await tested({})).toEqual({
      accepted: false,
      reason: `it names ${theirs} neither in aud nor in realm_access.roles`,
    })
    const named = { realm_access: { roles: ['fdo-auditors', theirs] } }
    expect(await tested(named)).toMatchObject({ accepted: true, scopes: ['auditor'] })
  })

  it('before there were names are still found by a token that has none', async () => {
    const party = await addParty(world, 'long-since')
    const audience = 'https://before.example'
    const before = await add({ ...administrator, audience }, party.token)
    const { database } = world.service.services
    await database.commit((tx) =>
      tx.updateTable('identity_provider').set({ is_named: 0 }).where('id', '=', before).execute(),
    )
    const bearer = await provider.token({ aud: audience, groups: ['admins'] })
    expect((await groupsSeen(bearer)).items.map((one) => one.id)).toEqual([before])
    // Nobody takes its place, the installation's own party neither.
    const ours = await add({ ...administrator, audience })
    expect((await groupsSeen(bearer)).items.map((one) => one.id)).toEqual([before])
    await api('DELETE', `/identity-providers/${ours}`)
  })
})
