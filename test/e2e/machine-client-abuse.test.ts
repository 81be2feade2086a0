/** Assertions and access tokens that are not what they should be: each is refused. */
import { type KeyObject, createPublicKey } from 'node:crypto'
import { SignJWT, base64url, decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../src/database/tables.ts'
import {
  type Assertion,
  type ProgramKey,
  SECRET,
  addParty,
  askToken,
  assertionBy,
  basic,
  keyOf,
  now,
  programKey,
  withAssertion,
} from '../support/callers.ts'
import { type ClientsWorld, openClientsWorld } from '../support/clients-world.ts'
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

describe('an assertion is refused', () => {
  const refused = async (assertion: Assertion, by = key) => {
    const { status, body } = await ask(assertion, {}, by)
    expect({ status, error: body['error'] }).toEqual({ status: 401, error: 'invalid_client' })
  }

  it('the second time, in turn or at once', async () => {
    const form = withAssertion(await assertionBy(key, world.clientId, issuer))
    const both = await Promise.all([askToken(world, form), askToken(world, form)])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 401])
    expect((await askToken(world, form)).body['error']).toBe('invalid_client')
  })

  it('for another audience, or for others, too', async () => {
    for (const aud of ['https://elsewhere.example', [issuer, 'https://elsewhere.example']]) {
      await refused({ claims: { aud } })
    }
  })

  it('for whatever host the request claims to be sent to', async () => {
    const aud = 'http://elsewhere.example/oauth/token'
    const text = await assertionBy(key, world.clientId, aud)
    const headers = { host: 'elsewhere.example' }
    const { status } = await askToken(world, withAssertion(text), headers)
    expect(status).toBe(401)
  })

  it('when it is too old, too new, or good for too long', async () => {
    await refused({ claims: { exp: now() - 30 } })
    await refused({ claims: { nbf: now() + 120 } })
    await refused({ claims: { exp: now() + 330 } })
    await refused({ claims: { exp: undefined } })
  })

  it('without an id, or with one too long', async () => {
    await refused({ claims: { jti: undefined } })
    await refused({ claims: { jti: 'x'.repeat(1025) } })
  })

  it('by another than its subject', async () => {
    await refused({ claims: { iss: 'fdom_' } })
    await refused({ claims: { iss: undefined } })
  })

  it('under another key, whatever the header offers', async () => {
    const stranger = await programKey('ES256', String(key.jwk['kid']))
    await refused({}, stranger)
    await refused({ header: { jwk: stranger.jwk } }, stranger)
    await refused({ header: { jku: 'https://elsewhere.example/jwks' } }, stranger)
    await refused({ header: { x5u: 'https://elsewhere.example/x5u' } }, stranger)
    await refused({ header: { kid: 'unknown' } })
  })

  it('without a signature, or under the public key as a secret', async () => {
    const text = await assertionBy(key, world.clientId, issuer)
    const [, payload = ''] = text.split('.')
    const head = base64url.encode(JSON.stringify({ alg: 'none', kid: key.jwk['kid'] }))
    const answers = [await askToken(world, withAssertion(`${head}.${payload}.`))]
    const publicKey: KeyObject = createPublicKey({ key: key.jwk, format: 'jwk' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' })
    for (const secret of [pem, JSON.stringify(key.jwk)]) {
      const hmac = await new SignJWT(decodeJwt(text))
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(secret))
      answers.push(await askToken(world, withAssertion(hmac)))
    }
    for (const { body } of answers) expect(body['error']).toBe('invalid_client')
  })

  it('under an algorithm that is not on the list', async () => {
    const es512 = await programKey('ES512')
    const wanted = { name: 'x', scopes: ['voucher:read'], auth: keyOf(es512) }
    const { json } = await api('POST', '/clients', wanted)
    expect(json).toMatchObject({ detail: expect.stringContaining('for none of ES256') })
    const rsa = await programKey('RS512')
    await world.become(keyOf(rsa))
    await refused({}, rsa)
    await refused({}, es512)
  })

  it('when it is huge, before it is read', async () => {
    const { status, body } = await ask({ claims: { padding: 'x'.repeat(20_000) } })
    expect(status).toBe(413)
    expect(body['error']).toBe('invalid_request')
    const headers = { 'transfer-encoding': 'chunked' }
    const chunked = await world.api('POST', '/oauth/token', { token: null, body: 'x', headers })
    expect(chunked.status).toBe(411)
  })

  it('once the party is suspended, and so is its token', async () => {
    const party = await addParty(world, 'suspended')
    await world.become(keyOf(key), ['voucher:read'], party.token)
    const token = await world.tokenOf()
    expect(decodeJwt(token)['party']).toBe(party.id)
    expect((await api('GET', '/vouchers', undefined, token)).status).toBe(200)
    await api('POST', `/parties/${party.id}/suspend`)
    expect((await api('GET', '/vouchers', undefined, token)).status).toBe(401)
    await refused({})
  })
})

describe('no token is had', () => {
  it('with a wrong secret, in another way than agreed, or by nobody', async () => {
    const { client_id, client_secret = '' } = await register(SECRET)
    const ask = (form: Record<string, string>, headers = {}) => askToken(world, form, headers)
    const wrong = await ask({}, basic(client_id, `${client_secret.slice(0, -1)}.`))
    expect(wrong.status).toBe(401)
    expect(wrong.headers['www-authenticate']).toMatch(/^Basic realm=/)
    const answers = [
      await ask({}, basic(world.clientId, client_secret)),
      await ask({ client_id }),
      await ask({}, basic(`fdom_${'0'.repeat(32)}`, client_secret)),
      await ask(withAssertion(await assertionBy(key, client_id, issuer))),
    ]
    for (const { status, body } of answers) {
      expect({ status, error: body['error'] }).toEqual({ status: 401, error: 'invalid_client' })
    }
    expect((await ask({ client_id, client_secret })).body['error']).toMatch(/^invalid_/)
    expect((await ask({})).body['error']).toBe('invalid_request')
  })

  it('for another API than the one it may call', async () => {
    for (const resource of [`${issuer}/device/v1`, 'https://elsewhere.example/api/v1']) {
      expect((await ask({}, { resource })).body['error']).toBe('invalid_target')
    }
    expect((await ask({}, { grant_type: 'password' })).body['error']).toBe('unsupported_grant_type')
  })

  it('through a proxy that nobody told us to trust, where anyone may listen', async () => {
    const { client_id, client_secret = '' } = await register(SECRET)
    const headers = { ...basic(client_id, client_secret), 'x-forwarded-proto': 'https' }
    const { status, body } = await askToken(world, {}, headers)
    expect(status).toBe(400)
    expect(body).toMatchObject({
      error: 'invalid_request',
      error_description: 'clients prove themselves over HTTPS only',
    })
  })
})

describe('the management API refuses a token', () => {
  const status = async (token: string) => {
    const answer = await api('GET', '/vouchers', undefined, token)
    if (answer.status === 401) {
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer error="invalid_token", /)
    }
    return answer.status
  }

  /** By our own key, as if it had been stolen. */
  const forge = async (changes: Record<string, unknown>, header: Record<string, unknown> = {}) => {
    const { keyStore } = world.service.services
    const signer = await keyStore.ring(HOME_PARTY).signer('token-signing', 'p256')
    const claims = { ...decodeJwt(await world.tokenOf()), ...changes }
    const parts = [{ alg: 'ES256', typ: 'at+jwt', ...header }, claims]
    const input = parts.map((part) => base64url.encode(JSON.stringify(part))).join('.')
    return `${input}.${base64url.encode(await signer.sign(Buffer.from(input)))}`
  }

  it('that differs from ours in anything', async () => {
    expect(await status(await forge({}))).toBe(200)
    const other = (await register(keyOf(key))).client_id
    for (const changes of [
      { iss: 'https://elsewhere.example' },
      { aud: `${issuer}/device/v1` },
      { aud: undefined },
      { party: 'fdop_other' },
      { party: undefined },
      { party: 7 },
      { sub: other },
      { client_id: undefined },
      { exp: now() - 1 },
      { nbf: now() + 3600 },
      { cnf: { 'x5t#S256': 'A'.repeat(43) } },
      { cnf: {} },
      { scope: ['voucher:read'] },
    ]) {
      expect(await status(await forge(changes)), JSON.stringify(changes)).toBe(401)
    }
    expect(await status(await forge({}, { typ: 'JWT' }))).toBe(401)
    expect(await status(await forge({}, { alg: 'ES384' }))).toBe(401)
  })

  it('that says more than its client may', async () => {
    const token = await forge({ scope: 'admin' })
    expect(await status(token)).toBe(200)
    expect((await api('GET', '/tokens', undefined, token)).status).toBe(403)
    expect(await status(await forge({ scope: 'unknown' }))).toBe(403)
  })

  it('without a signature, or signed by anybody else, whatever the header offers', async () => {
    const claims = decodeJwt(await world.tokenOf())
    const none = base64url.encode(JSON.stringify({ alg: 'none', typ: 'at+jwt' }))
    expect(await status(`${none}.${base64url.encode(JSON.stringify(claims))}.`)).toBe(401)
    const { keys } = (await world.api('GET', '/oauth/jwks', { token: null })).json as {
      keys: Record<string, string>[]
    }
    const [ours = {}] = keys
    const publicKey: KeyObject = createPublicKey({ key: ours, format: 'jwk' })
    for (const secret of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(ours),
    ]) {
      const hmac = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
      expect(await status(await hmac.sign(Buffer.from(secret)))).toBe(401)
    }
    for (const header of [
      { jwk: key.jwk },
      { jku: 'https://elsewhere.example' },
      { kid: String(ours['kid']) },
    ]) {
      const signed = new SignJWT(claims).setProtectedHeader({
        alg: 'ES256',
        typ: 'at+jwt',
        ...header,
      })
      expect(await status(await signed.sign(key.privateKey))).toBe(401)
    }
  })

  it('of ours, though a party names us as its provider', async () => {
    const provider = {
      ...{ name: 'x', issuer, audience: `${issuer}/api/v1`, jwks_uri: `${issuer}/oauth/jwks` },
      ...{ claim: 'client_id', roles: { [world.clientId]: ['admin'] } },
    }
    const added = await api('POST', '/identity-providers', provider)
    expect(added.status).toBe(201)
    const token = await world.tokenOf()
    expect((await api('GET', '/tokens', undefined, token)).status).toBe(403)
    await api('PATCH', `/clients/${world.clientId}`, { disabled: true })
    expect(await status(token)).toBe(401)
  })

  it('longer than a request may be', async () => {
    expect((await api('GET', '/vouchers', undefined, 'a'.repeat(16_400))).status).toBe(431)
  })
})
