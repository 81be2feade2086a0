/** A token that comes with a device's certificate: the token endpoint's, and good once TO2 is done. */
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { WantedToken } from '../../protocol/service-info/token-issuer.ts'
import { TokenRefusal } from '../../protocol/service-info/token-issuer.ts'
import { DeviceTokens } from '../../src/tokens/device-tokens.ts'
import { onboard, p256 } from '../support/pki.ts'
import { PATIENCE_MS } from '../support/service.ts'
import { type Identity, type TokenWorld, openTokenWorld } from '../support/token-world.ts'

const DEVICE = 'fdod_aaaaaaaaaaaaaaaaaaaaaaaaaa'
const BOTH = ['device:whoami', 'device:certificate']
const ALL: WantedToken = { audience: null, scopes: null }

vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

let world: TokenWorld
beforeEach(async () => {
  world = await openTokenWorld()
  world.devices.set(DEVICE, { guid: 'a'.repeat(32), scopes: BOTH })
})
afterEach(() => world.close())

/** A run that is under way: what it has given the device. */
async function given(runId: string, wanted = ALL) {
  const { privateKey, spki } = p256()
  const bearer = { deviceId: DEVICE, runId }
  const { certificate, intermediates } = await world.pki.issueLdevid(bearer, spki)
  const { document, scopes } = await world.onboardingTokens.issue(DEVICE, certificate, wanted)
  const answer = JSON.parse(Buffer.from(document).toString()) as Record<string, unknown>
  const identity: Identity = { privateKey, chain: [certificate, ...intermediates] }
  return { bearer, identity, answer, scopes, token: String(answer['access_token']) }
}
const done = (bearer: { deviceId: string; runId: string }) =>
  world.database.commit((tx) => world.pki.activateCertificates(tx, bearer))
const whoami = async (calling: { identity?: Identity; token: string }) =>
  (await world.send('/device/v1/whoami', calling)).status

describe('a token made in TO2', () => {
  it('is in everything what the token endpoint gives for the same certificate', async () => {
    const { bearer, identity, answer, token } = await given('a run')
    await done(bearer)
    const { body } = await world.askToken(DEVICE, identity)
    const { access_token: asked, ...rest } = body
    const { access_token: _, expires_at: at, ...mine } = answer
    expect(mine).toEqual(rest)
    expect(decodeProtectedHeader(token)).toEqual(decodeProtectedHeader(String(asked)))
    const [one, other] = [decodeJwt(token), decodeJwt(String(asked))]
    const { exp = 0, iat = 0, jti } = one
    expect({ ...one, exp: other.exp, iat: other.iat, jti: other.jti }).toEqual(other)
    expect(jti).not.toBe(other.jti)
    expect(exp - iat).toBe(300)
    expect(at).toBe(new Date(exp * 1000).toISOString())
  })

  it('is worth nothing before Done, and then no more than with the key', async () => {
    const { bearer, identity, token } = await given('a run')
    expect(await whoami({ identity, token })).toBe(401)
    await done(bearer)
    expect(await whoami({ identity, token })).toBe(200)
    expect(await whoami({ token })).toBe(401)
    const { body } = await world.send('/device/v1/whoami', { identity, token })
    expect(body).toMatchObject({ device_id: DEVICE, scopes: BOTH })
  })

  it('of a run that was broken off is never worth anything', async () => {
    const { bearer, identity, token } = await given('a run')
    await world.database.commit((tx) => world.pki.runBrokenOff(tx, bearer))
    expect(await whoami({ identity, token })).toBe(401)
    await done(bearer)
    expect(await whoami({ identity, token })).toBe(401)
    const later = await onboard(world, DEVICE, 'a later run')
    expect(await whoami({ identity: later, token })).toBe(401)
  })

  it('lasts no longer than others', async () => {
    const { bearer, identity, token } = await given('a run')
    await done(bearer)
    // It was made by the real time, which has gone on since the clock stood still.
    const { exp = 0 } = decodeJwt(token)
    world.clock.advance(exp * 1000 - world.clock.now().getTime() - 1_000)
    expect(await whoami({ identity, token })).toBe(200)
    world.clock.advance(2_000)
    expect(await whoami({ identity, token })).toBe(401)
  })

  it('carries of what is wanted what the group of the device holds now', async () => {
    const wanted = { ...ALL, scopes: ['device:whoami'] }
    const narrow = await given('one', wanted)
    expect([narrow.scopes, narrow.answer['scope']]).toEqual([['device:whoami'], 'device:whoami'])
    await done(narrow.bearer)
    const { status } = await world.send('/device/v1/certificate', narrow)
    expect(status).toBe(403)
    world.devices.set(DEVICE, { guid: 'a'.repeat(32), scopes: ['device:certificate', 'x:y'] })
    expect((await given('two')).scopes).toEqual(['device:certificate'])
    expect((await given('three', { ...ALL, scopes: BOTH })).scopes).toEqual(['device:certificate'])
  })

  it('is not told of as issued before it is sent', async () => {
    await given('a run')
    expect(world.issued).toEqual([])
  })
})

describe('no token is made in TO2', () => {
  const refused = async (wanted: WantedToken, tokens = world.onboardingTokens) => {
    const issue = tokens.issue(DEVICE, new Uint8Array(1), wanted)
    return issue.then(
      () => 'made',
      (error: unknown) => (error instanceof TokenRefusal ? error.message : String(error)),
    )
  }

  it('that would carry nothing', async () => {
    world.devices.set(DEVICE, { guid: 'a'.repeat(32), scopes: ['device:certificate'] })
    expect(await refused({ ...ALL, scopes: ['device:whoami'] })).toBe(
      'the group of the device does not let its tokens carry device:whoami',
    )
    expect(await refused({ ...ALL, scopes: ['admin'] })).toContain('carry admin')
    world.devices.set(DEVICE, { guid: 'a'.repeat(32), scopes: [] })
    expect(await refused(ALL)).toContain('carry any scope')
  })

  it('for anything but the API of devices', async () => {
    for (const audience of [`${world.url}/api/v1`, 'https://elsewhere.example', '']) {
      expect(await refused({ ...ALL, audience })).toMatch(/^devices have tokens for .* only/)
    }
    const audience = `${world.url}/device/v1`
    expect(world.onboardingTokens.audience()).toBe(audience)
    expect(await refused({ ...ALL, audience })).toBe('made')
  })

  it('for a device that is not ours any more, or stops being it meanwhile', async () => {
    const facts = { guid: 'a'.repeat(32), scopes: BOTH }
    world.devices.delete(DEVICE)
    expect(await refused(ALL)).toBe('the device is not one of ours any more')
    const tokens = new DeviceTokens({
      addresses: { publicUrl: () => world.url, tlsUrl: () => world.url },
      findDevice: async () => facts,
      server: world.server,
    })
    expect(await refused(ALL, tokens)).toBe('the device is not one of ours any more')
  })

  it('where no device can show a certificate', async () => {
    const tokens = new DeviceTokens({
      addresses: { publicUrl: () => 'http://x.test', tlsUrl: () => '' },
      findDevice: async (id) => world.devices.get(id),
      server: () => Promise.reject(new Error('not asked')),
    })
    expect(tokens.audience()).toBeUndefined()
    expect(await refused(ALL, tokens)).toBe('there is no TLS listener to use it at')
  })
})
