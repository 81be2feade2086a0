/** Programs that call the management API with tokens of the token endpoint, on plain loopback. */
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { HOME_PARTY } from '../../src/database/tables.ts'
import {
  type ProgramKey,
  SECRET,
  addParty,
  askToken,
  basic,
  keyOf,
  programKey,
} from '../support/callers.ts'
import { type ClientsWorld, type Made, openClientsWorld } from '../support/clients-world.ts'
import { ownProvider } from '../support/identity-providers.ts'
import { PATIENCE_MS } from '../support/service.ts'

let world: ClientsWorld
let issuer: string
let key: ProgramKey

beforeAll(async () => {
  world = await openClientsWorld()
  issuer = world.issuer
  key = world.key
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

beforeEach(async () => {
  await world.become(keyOf(key), ['supply-chain-operator'])
})

const api: ClientsWorld['call'] = (...call) => world.call(...call)
const ask: ClientsWorld['ask'] = (...asking) => world.ask(...asking)
const register: ClientsWorld['register'] = (...wanted) => world.register(...wanted)

describe('a program', () => {
  it('finds its way by the metadata, proves itself by its key, and calls', async () => {
    const insecure = { [oauth.allowInsecureRequests]: true }
    const at = new URL(issuer)
    const found = await oauth.discoveryRequest(at, { algorithm: 'oauth2', ...insecure })
    const server = await oauth.processDiscoveryResponse(at, found)
    const proof = oauth.PrivateKeyJwt({ key: key.privateKey, kid: String(key.jwk['kid']) })
    const client = { client_id: world.clientId }
    const answer = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      proof,
      { resource: `${issuer}/api/v1` },
      insecure,
    )
    const { access_token } = await oauth.processClientCredentialsResponse(server, client, answer)
    const { status } = await api('GET', '/vouchers', undefined, access_token)
    expect(status).toBe(200)
    expect(decodeJwt(access_token)).toMatchObject({
      ...{ iss: issuer, aud: `${issuer}/api/v1`, sub: world.clientId, client_id: world.clientId },
      ...{ party: HOME_PARTY, scope: 'supply-chain-operator' },
    })
    const { iat = 0, exp } = decodeJwt(access_token)
    expect(exp).toBe(iat + 300)
  })

  it('may say what the token endpoint does not know, as RFC 6749 has it', async () => {
    const { status, body } = await ask({}, { unheard: 'of' })
    expect([status, body['token_type']]).toEqual([200, 'Bearer'])
    for (const path of ['/.well-known/oauth-authorization-server', '/oauth/jwks']) {
      const { status } = await world.api('GET', `${path}?unheard=of`, { token: null })
      expect([path, status]).toEqual([path, 200])
    }
  })

  it('may have a secret, made here and shown once', async () => {
    const made = await register(SECRET, ['auditor'])
    const secret = made.client_secret ?? ''
    expect(secret).toMatch(/^fdoc_[\w-]{43}$/)
    const { body } = await askToken(world, {}, basic(made.client_id, secret))
    const token = String(body['access_token'])
    expect((await api('GET', '/vouchers', undefined, token)).status).toBe(200)
    const shown = JSON.stringify((await api('GET', `/clients/${made.client_id}`)).json)
    const rows = await world.service.services.database.db
      .selectFrom('machine_client')
      .selectAll()
      .execute()
    for (const text of [shown, JSON.stringify(rows)]) expect(text).not.toContain(secret)
  })

  it.each(['ES384', 'RS256', 'PS256'])('may have a key for %s', async (alg) => {
    const other = await programKey(alg)
    await world.become(keyOf(other))
    expect((await ask({}, {}, other)).status).toBe(200)
  })

  it('may publish its keys, and change them there', async () => {
    const publisher = await ownProvider('')
    publisher.keys = [key.jwk]
    const jwks_uri = `${publisher.issuer}/keys`
    await world.become({ method: 'private_key_jwt', jwks_uri })
    const said = vi.spyOn(console, 'warn')
    expect((await ask()).status).toBe(200)
    expect((await ask()).status).toBe(200)
    expect(publisher.asked()).toBe(1)
    const stranger = await programKey('ES256', 'stranger')
    expect((await ask({}, {}, stranger)).body['error']).toBe('invalid_client')
    expect(publisher.asked()).toBe(1)
    publisher.answering = (response) => void response.end('x'.repeat(1 << 20))
    await world.become({ method: 'private_key_jwt', jwks_uri: `${publisher.issuer}/keys?2` })
    expect((await ask()).body['error']).toBe('invalid_client')
    expect(said).not.toHaveBeenCalled()
    said.mockRestore()
    await publisher.close()
  })

  it('gets of what it asks for what it holds, and what is less than that', async () => {
    const scope = 'voucher:read device:read device:write key:import factory admin'
    const token = await world.tokenOf({ scope })
    expect(decodeJwt(token)['scope']).toBe('voucher:read device:read factory')
    const { json } = await api('GET', '/keys', undefined, token)
    expect(json).toMatchObject({ code: 'not-permitted' })
  })

  it('may name the token endpoint as the audience of its assertion', async () => {
    expect((await ask({ claims: { aud: `${issuer}/oauth/token` } })).status).toBe(200)
    expect((await ask({ claims: { aud: [issuer] } })).status).toBe(200)
  })

  it('loses at once what is taken from it, whatever its token says', async () => {
    const token = await world.tokenOf()
    const vouchers = async () => (await api('GET', '/vouchers', undefined, token)).status
    expect(await vouchers()).toBe(200)
    await api('PATCH', `/clients/${world.clientId}`, { scopes: ['device:read'] })
    expect(await vouchers()).toBe(403)
    await api('PATCH', `/clients/${world.clientId}`, { scopes: ['voucher:read'] })
    expect(await vouchers()).toBe(200)
    await api('PATCH', `/clients/${world.clientId}`, { disabled: true })
    expect(await vouchers()).toBe(401)
    expect((await ask()).body['error']).toBe('invalid_client')
    await api('PATCH', `/clients/${world.clientId}`, { disabled: false })
    expect(await vouchers()).toBe(200)
    expect((await api('DELETE', `/clients/${world.clientId}`)).status).toBe(204)
    expect(await vouchers()).toBe(401)
    expect((await ask()).status).toBe(401)
  })

  it('gets new keys or another secret, and the old are worthless', async () => {
    const other = await programKey('ES256', 'other')
    const rotated = await api('POST', `/clients/${world.clientId}/rotate`, { auth: keyOf(other) })
    expect(rotated.json).toMatchObject({ rotated_at: expect.any(String) })
    expect((await ask()).status).toBe(401)
    expect((await ask({}, {}, other)).status).toBe(200)
    const made = await register(SECRET)
    const again = (await api('POST', `/clients/${made.client_id}/rotate`, {})).json as Made
    const status = async ({ client_secret = '' }: Made) =>
      (await askToken(world, {}, basic(made.client_id, client_secret))).status
    expect(await status(made)).toBe(401)
    expect(await status(again)).toBe(200)
  })
})

describe('who registers programs', () => {
  const tokenWith = async (...scopes: string[]) =>
    ((await api('POST', '/tokens', { name: 'some', scopes })).json as { token: string }).token

  it('gives none of them more than they hold', async () => {
    const token = await tokenWith('client:read', 'client:write', 'voucher:read')
    const wanted = { name: 'x', auth: SECRET, scopes: ['voucher:read', 'key:import'] }
    const added = await api('POST', '/clients', wanted, token)
    expect(added.json).toMatchObject({
      code: 'not-permitted',
      detail: expect.stringContaining('key:import'),
    })
    const more = await api('PATCH', `/clients/${world.clientId}`, { scopes: ['admin'] }, token)
    expect(more.status).toBe(403)
    const taken = await api('POST', `/clients/${world.clientId}/rotate`, { auth: SECRET }, token)
    expect(taken.status).toBe(403)
    expect(
      (await api('PATCH', `/clients/${world.clientId}`, { disabled: true }, token)).status,
    ).toBe(200)
    expect(
      (await api('PATCH', `/clients/${world.clientId}`, { disabled: false }, token)).status,
    ).toBe(403)
    expect((await api('POST', '/clients', { ...wanted, scopes: ['x'] }, token)).status).toBe(400)
  })

  it('sees nothing of another party’s', async () => {
    const { token } = await addParty(world, 'stranger')
    const path = `/clients/${world.clientId}`
    expect((await api('GET', path, undefined, token)).status).toBe(404)
    expect((await api('PATCH', path, { name: 'x' }, token)).status).toBe(404)
    expect((await api('POST', `${path}/rotate`, { auth: SECRET }, token)).status).toBe(404)
    expect((await api('DELETE', path, undefined, token)).status).toBe(404)
    expect((await api('GET', '/clients', undefined, token)).json).toEqual({ items: [], next: null })
    expect((await ask()).status).toBe(200)
  })

  it('lists them page by page', async () => {
    await register(SECRET)
    const first = await api('GET', '/clients?limit=1')
    const { items, next } = first.json as { items: Made[]; next: string }
    const { json } = await api('GET', `/clients?limit=500&cursor=${next}`)
    const ids = [...items, ...(json as { items: Made[] }).items].map(({ client_id }) => client_id)
    expect(ids).toContain(world.clientId)
    expect(ids).toEqual(ids.toSorted())
  })

  it.each([
    { method: 'private_key_jwt' },
    { method: 'private_key_jwt', jwks: { keys: [] } },
    { method: 'private_key_jwt', jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } },
    { method: 'private_key_jwt', jwks_uri: 'http://elsewhere.example/jwks' },
    { method: 'private_key_jwt', jwks_uri: 'file:///etc/passwd' },
    { method: 'private_key_jwt', jwks: { keys: [] }, jwks_uri: 'https://a.example' },
    { method: 'self_signed_tls_client_auth', certificates: 'none' },
    {
      method: 'self_signed_tls_client_auth',
      certificates: '-----BEGIN X-----\nAAAA\n-----END X-----',
    },
    { method: 'tls_client_auth', ca: 'none', san_dns: 'a' },
    { method: 'client_secret_basic', secret: 'mine' },
    { method: 'client_secret_post' },
    { method: 'none' },
  ])('is told what is wrong with %j', async (auth) => {
    const { json } = await api('POST', '/clients', { name: 'x', scopes: ['voucher:read'], auth })
    expect(json).toMatchObject({ code: 'invalid-request', detail: expect.stringMatching(/auth/) })
  })

  it('is told that a key was the private one', async () => {
    const keys = [{ ...key.jwk, d: 'AAAA' }]
    const auth = { method: 'private_key_jwt', jwks: { keys } }
    const { json } = await api('POST', '/clients', { name: 'x', scopes: ['voucher:read'], auth })
    expect(json).toMatchObject({ detail: expect.stringMatching(/private key/) })
  })
})

describe('what anyone may read', () => {
  it('says how programs prove themselves, and what tokens are good for', async () => {
    const read = async (path: string) =>
      (await world.api('GET', `/.well-known/${path}`, { token: null })).json
    expect(await read('oauth-authorization-server')).toMatchObject({
      issuer,
      token_endpoint: `${issuer}/oauth/token`,
      token_endpoint_auth_methods_supported: ['private_key_jwt', 'client_secret_basic'],
      tls_client_certificate_bound_access_tokens: false,
    })
    for (const path of ['oauth-protected-resource', 'oauth-protected-resource/api/v1']) {
      expect(await read(path)).toMatchObject({
        resource: `${issuer}/api/v1`,
        authorization_servers: [issuer],
      })
    }
  })

  it('is named to whoever calls without a token, with a bad one, or with too little', async () => {
    const answers = async (authorization: string) => {
      const headers: Record<string, string> = authorization === '' ? {} : { authorization }
      const { headers: given } = await world.api('GET', '/api/v1/tokens', { token: null, headers })
      return String(given['www-authenticate'])
    }
    const named = `resource_metadata="${issuer}/.well-known/oauth-protected-resource/api/v1"`
    for (const none of ['', 'Basic YTpi', 'Bearer']) {
      expect(await answers(none)).toBe(`Bearer ${named}`)
    }
    for (const bad of ['Bearer x', 'bearer x', 'Bearer two words']) {
      expect(await answers(bad)).toBe(`Bearer error="invalid_token", ${named}`)
    }
    const wanted = { name: 'x', scopes: ['voucher:read'] }
    const { json } = await world.api('POST', '/api/v1/tokens', { json: wanted })
    const { token } = json as { token: string }
    expect(await answers(`Bearer ${token}`)).toBe(
      `Bearer error="insufficient_scope", scope="token:read", ${named}`,
    )
  })
})
