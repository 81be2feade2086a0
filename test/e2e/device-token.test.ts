/** A device with a certificate from TO2 gets a token over mutual TLS, and uses it. */
import { Agent } from 'node:https'
import { hash } from 'node:crypto'
import { SignJWT, base64url, decodeJwt, decodeProtectedHeader, generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import { revokeCredentials } from '../../src/pki/revocation/revoke.ts'
import { onboard, openTestPki, p256 } from '../support/pki.ts'
import { PATIENCE_MS } from '../support/service.ts'
import { type TokenWorld, openTokenWorld } from '../support/token-world.ts'

const DEVICE = 'fdod_aaaaaaaaaaaaaaaaaaaaaaaaaa'
const OTHER = 'fdod_bbbbbbbbbbbbbbbbbbbbbbbbbb'
const DAY_MS = 86_400_000

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let world: TokenWorld
beforeEach(async () => {
  world = await openTokenWorld()
  const scopes = ['device:whoami', 'device:certificate']
  world.devices.set(DEVICE, { guid: 'a'.repeat(32), scopes })
  world.devices.set(OTHER, { guid: 'b'.repeat(32), scopes })
})
afterEach(() => world.close())

describe('a token', () => {
  it('is bound to the certificate, short-lived, and carries what the group holds', async () => {
    const identity = await onboard(world, DEVICE)
    const { status, body } = await world.askToken(DEVICE, identity)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'device:whoami device:certificate',
    })
    const token = String(body['access_token'])
    expect(decodeProtectedHeader(token)).toEqual({
      alg: 'ES256',
      typ: 'at+jwt',
      kid: world.key.kid,
    })
    const claims = decodeJwt(token)
    expect(claims).toMatchObject({
      iss: world.url,
      aud: `${world.url}/device/v1`,
      sub: DEVICE,
      client_id: DEVICE,
      scope: 'device:whoami device:certificate',
      cnf: { 'x5t#S256': hash('sha256', identity.certificate, 'base64url') },
    })
    expect(claims.exp! - claims.iat!).toBe(300)
    expect(world.issued).toEqual([{ device: DEVICE, scopes: 'device:whoami device:certificate' }])
  })

  it('carries of what is asked for only what the group holds', async () => {
    const identity = await onboard(world, DEVICE)
    world.devices.set(DEVICE, {
      guid: 'a'.repeat(32),
      scopes: ['device:certificate', 'unheard:of'],
    })
    const all = await world.askToken(DEVICE, identity)
    expect(all.body['scope']).toBe('device:certificate')
    const scope = 'device:whoami device:certificate admin unheard:of'
    const some = await world.askToken(DEVICE, identity, { scope })
    expect(some.body['scope']).toBe('device:certificate')
    const none = await world.askToken(DEVICE, identity, { scope: 'device:whoami' })
    expect(none.status).toBe(200)
    expect(none.body['scope']).toBeUndefined()
    expect(decodeJwt(String(none.body['access_token']))).not.toHaveProperty('scope')
  })

  it('names the device and its guid at whoami', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity, { scope: 'device:whoami' })
    const { status, body, headers } = await world.send('/device/v1/whoami', { identity, token })
    expect(status).toBe(200)
    expect(body).toEqual({ device_id: DEVICE, guid: 'a'.repeat(32), scopes: ['device:whoami'] })
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{16}$/)
  })

  it('fetches the certificate in force, and when to renew it', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    const { status, body } = await world.send('/device/v1/certificate', { identity, token })
    const { notBefore, notAfter } = parseCertificate(identity.certificate)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      not_before: notBefore.toISOString(),
      not_after: notAfter.toISOString(),
      renew_after: new Date(notBefore.getTime() + 20 * DAY_MS).toISOString(),
      certificate: expect.stringContaining('BEGIN CERTIFICATE'),
      ca: expect.stringContaining('BEGIN CERTIFICATE'),
    })
  })

  it('is made without a word on the console, whose output others read', async () => {
    const said = [vi.spyOn(console, 'info'), vi.spyOn(console, 'warn'), vi.spyOn(console, 'log')]
    const identity = await onboard(world, DEVICE)
    await world.token(DEVICE, identity)
    for (const spy of said) expect(spy).not.toHaveBeenCalled()
    vi.restoreAllMocks()
  })

  it('works on a TLS session that is resumed', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 })
    const whoami = () => world.send('/device/v1/whoami', { identity, token, agent })
    expect(await whoami()).toMatchObject({ status: 200, resumed: false })
    expect(await whoami()).toMatchObject({ status: 200, resumed: true })
    await onboard(world, DEVICE, 'a later run')
    expect(await whoami()).toMatchObject({ status: 401, resumed: true })
  })
})

describe('no token is had', () => {
  const refused = async (deviceId: string, identity: Parameters<TokenWorld['askToken']>[1]) => {
    const answer = await world.askToken(deviceId, identity)
    expect(answer.status).toBe(401)
    expect(answer.body['error']).toBe('invalid_client')
    expect(world.issued).toEqual([])
  }

  it('without a certificate', async () => {
    await refused(DEVICE, undefined)
    await onboard(world, DEVICE)
    await refused(DEVICE, undefined)
  })

  it('with the certificate of another device', async () => {
    await onboard(world, DEVICE)
    await refused(DEVICE, await onboard(world, OTHER))
  })

  it('with one whose run is not done', async () => {
    const { privateKey, spki } = p256()
    const bearer = { deviceId: DEVICE, runId: 'under way' }
    const { certificate, intermediates } = await world.pki.issueLdevid(bearer, spki)
    const identity = { privateKey, chain: [certificate, ...intermediates] }
    await refused(DEVICE, identity)
    await world.database.commit((tx) => world.pki.activateCertificates(tx, bearer))
    expect((await world.askToken(DEVICE, identity)).status).toBe(200)
  })

  it('with one that a later run has replaced', async () => {
    const earlier = await onboard(world, DEVICE, 'run 1')
    await onboard(world, DEVICE, 'run 2')
    await refused(DEVICE, earlier)
  })

  it('with one that is revoked, nor does a token count that was had before', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    world.issued.length = 0
    const at = world.clock.now().toISOString()
    const revocation = { deviceId: DEVICE, reason: 'handed-over', at } as const
    await world.database.commit((tx) => revokeCredentials(tx, revocation))
    await refused(DEVICE, identity)
    for (const path of ['/device/v1/whoami', '/device/v1/certificate']) {
      expect((await world.send(path, { identity, token })).status).toBe(401)
    }
  })

  it('with one that has expired', async () => {
    const identity = await onboard(world, DEVICE)
    world.clock.advance(31 * DAY_MS)
    await refused(DEVICE, identity)
  })

  it('with one of another authority, or a birth certificate', async () => {
    const elsewhere = await openTestPki({ now: () => new Date() })
    await refused(DEVICE, await onboard(elsewhere, DEVICE))
    await elsewhere.database.close()
    const { privateKey, spki } = p256()
    const chain = await world.pki.issueDeviceCertificate({ spki, serial: DEVICE })
    await refused(DEVICE, { privateKey, chain })
  })

  it('by a device that is not ours any more', async () => {
    const identity = await onboard(world, DEVICE)
    world.devices.delete(DEVICE)
    await refused(DEVICE, identity)
  })

  it('by one that does not say who it is, or asks for another grant or another API', async () => {
    const identity = await onboard(world, DEVICE)
    const ask = async (form: Record<string, string>) =>
      (await world.send('/oauth/token', { identity, form })).body['error']
    const grant_type = 'client_credentials'
    expect(await ask({ grant_type })).toBe('invalid_request')
    expect(await ask({ grant_type, client_id: OTHER })).toBe('invalid_client')
    expect(await ask({ grant_type: 'password', client_id: DEVICE })).toBe('unsupported_grant_type')
    const resource = 'https://elsewhere.example'
    expect(await ask({ grant_type, client_id: DEVICE, resource })).toBe('invalid_target')
  })

  it('through a proxy that might have written the certificate itself', async () => {
    const identity = await onboard(world, DEVICE)
    const form = { grant_type: 'client_credentials', client_id: DEVICE }
    const headers = { 'x-forwarded-for': '192.0.2.1' }
    const { status } = await world.send('/oauth/token', { identity, form, headers })
    expect(status).toBe(401)
  })
})

describe('a call is refused', () => {
  const whoami = (sending: Parameters<TokenWorld['send']>[1]) =>
    world.send('/device/v1/whoami', sending)

  it('without a token, and with one that is none', async () => {
    const identity = await onboard(world, DEVICE)
    const without = await whoami({ identity })
    expect(without.status).toBe(401)
    expect(without.headers['content-type']).toBe('application/problem+json')
    const metadata = /^Bearer resource_metadata="(.*)"$/.exec(
      String(without.headers['www-authenticate']),
    )
    const { pathname } = new URL(metadata?.[1] ?? '')
    expect((await world.send(pathname)).body).toMatchObject({
      resource: expect.stringMatching(/^https:.*\/device\/v1$/),
      scopes_supported: expect.arrayContaining(['device:whoami']),
    })
    for (const token of ['x', 'a.b.c', await sign({}, { key: 'theirs' })]) {
      const { status, body, headers } = await whoami({ identity, token })
      expect(status).toBe(401)
      expect(body['code']).toBe('not-authenticated')
      expect(headers['www-authenticate']).toBe(
        `Bearer error="invalid_token", resource_metadata="${metadata?.[1]}"`,
      )
    }
  })

  it('beyond the scopes of the token', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity, { scope: 'device:certificate' })
    const { status, body, headers } = await whoami({ identity, token })
    expect(status).toBe(403)
    expect(body).toMatchObject({ code: 'not-permitted', status: 403 })
    expect(headers['www-authenticate']).toContain('insufficient_scope')
    const other = await world.token(DEVICE, identity, { scope: 'device:whoami' })
    const answer = await world.send('/device/v1/certificate', { identity, token: other })
    expect(answer.status).toBe(403)
  })

  it('with a token that another device’s certificate comes with, or none', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    expect((await whoami({ identity: await onboard(world, OTHER), token })).status).toBe(401)
    expect((await whoami({ token })).status).toBe(401)
  })

  it('with a token of an earlier certificate of the same device', async () => {
    const identity = await onboard(world, DEVICE, 'run 1')
    const token = await world.token(DEVICE, identity)
    const later = await onboard(world, DEVICE, 'run 2')
    expect((await whoami({ identity: later, token })).status).toBe(401)
    expect((await whoami({ identity, token })).status).toBe(401)
  })

  it('after five minutes', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    // It was made by the real time, which has gone on since the clock stood still.
    const { exp = 0 } = decodeJwt(token)
    world.clock.advance(exp * 1000 - world.clock.now().getTime() - 1_000)
    expect((await whoami({ identity, token })).status).toBe(200)
    world.clock.advance(2_000)
    expect((await whoami({ identity, token })).status).toBe(401)
  })

  it('once the device is not ours any more', async () => {
    const identity = await onboard(world, DEVICE)
    const token = await world.token(DEVICE, identity)
    world.devices.delete(DEVICE)
    expect((await whoami({ identity, token })).status).toBe(401)
  })

  interface Forging {
    readonly key?: 'ours' | 'theirs'
    readonly header?: Record<string, unknown>
  }

  const sign = async (claims: Record<string, unknown>, { key = 'ours', header }: Forging = {}) => {
    const protectedHeader = { alg: 'ES256', typ: 'at+jwt', ...header }
    const head = base64url.encode(JSON.stringify(protectedHeader))
    const input = `${head}.${base64url.encode(JSON.stringify(claims))}`
    if (key === 'ours') {
      const signature = await world.key.signer.sign(new TextEncoder().encode(input))
      return `${input}.${base64url.encode(signature)}`
    }
    const { privateKey } = await generateKeyPair('ES256')
    return new SignJWT(claims).setProtectedHeader(protectedHeader).sign(privateKey)
  }

  it('with a token that differs from ours in anything', async () => {
    const identity = await onboard(world, DEVICE)
    const claims = decodeJwt(await world.token(DEVICE, identity))
    const status = async (changes: Record<string, unknown>, forging?: Forging) => {
      const token = await sign({ ...claims, ...changes }, forging)
      return (await whoami({ identity, token })).status
    }
    expect(await status({})).toBe(200)
    for (const changes of [
      { iss: 'https://elsewhere.example' },
      { aud: 'https://elsewhere.example' },
      { sub: OTHER, client_id: OTHER },
      { client_id: OTHER },
      { sub: undefined, client_id: undefined },
      { exp: undefined },
      { jti: undefined },
      { cnf: undefined },
      { cnf: 'x5t#S256' },
      { cnf: { jkt: 'x' } },
      { cnf: { 'x5t#S256': 7 } },
      { cnf: { 'x5t#S256': 'A'.repeat(43) } },
      { scope: ['device:whoami'] },
      { nbf: Math.floor(Date.now() / 1000) + 3600 },
    ]) {
      expect(await status(changes), JSON.stringify(changes)).toBe(401)
    }
    expect(await status({}, { key: 'theirs' })).toBe(401)
    expect(await status({}, { header: { typ: 'JWT' } })).toBe(401)
    expect(await status({}, { header: { alg: 'ES384' } })).toBe(401)
  })

  it('with a token whose algorithm is none, or HMAC under the public key', async () => {
    const identity = await onboard(world, DEVICE)
    const claims = decodeJwt(await world.token(DEVICE, identity))
    const none = base64url.encode(JSON.stringify({ alg: 'none', typ: 'at+jwt' }))
    const unsigned = `${none}.${base64url.encode(JSON.stringify(claims))}.`
    const secrets = [
      world.key.publicKey.export({ type: 'spki', format: 'pem' }),
      world.key.publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(world.key.publicJwk),
    ]
    const hmacs = secrets.map((secret) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' })
        .sign(Buffer.from(secret)),
    )
    for (const token of [unsigned, ...(await Promise.all(hmacs))]) {
      expect((await whoami({ identity, token })).status).toBe(401)
    }
  })
})

describe('what anyone may read', () => {
  it('is the metadata, and the key that signs tokens without its private half', async () => {
    const { body } = await world.send('/.well-known/oauth-authorization-server')
    expect(body).toMatchObject({
      issuer: world.url,
      token_endpoint: `${world.url}/oauth/token`,
      tls_client_certificate_bound_access_tokens: true,
    })
    const jwks = await world.send(new URL(String(body['jwks_uri'])).pathname)
    expect(jwks.body).toEqual({ keys: [world.key.publicJwk] })
    expect(JSON.stringify(jwks.body)).not.toContain('"d"')
  })

  it('is nothing else of the OAuth server', async () => {
    const identity = await onboard(world, DEVICE)
    await world.token(DEVICE, identity)
    for (const path of ['/auth', '/oauth/auth', '/session/end', '/me', '/reg', '/oauth/token']) {
      expect((await world.send(path, { identity })).status, path).toBe(404)
    }
  })
})
