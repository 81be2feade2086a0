/** Devices that get a token by their plan, and use it: our simulator over real sockets. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { fetchDeviceToken } from '../../src/simulator/token.ts'
import { type DeviceTls, askAsDevice } from '../support/device-calls.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { type Device, deviceIn, make, powerUp } from '../support/simulated.ts'

const TOKEN = 'etc/token.json'

let world: TestService
beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_TLS_PORT: '0' })
  const json = { scopes: ['device:whoami', 'device:certificate'] }
  expect((await world.api('PATCH', '/api/v1/groups/default', { json })).status).toBe(200)
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

async function put(...steps: readonly object[]): Promise<void> {
  const json = { steps: [{ type: 'identity' }, ...steps] }
  const { status, body } = await world.api('PUT', '/api/v1/plans/default', { json })
  expect([status, body.toString()]).toEqual([200, body.toString()])
}

async function made(name: string): Promise<Device & { readonly guid: string }> {
  const device = deviceIn(world.folder, name)
  const guid = await make(world.service.http ?? '', name, device)
  await vi.waitFor(async () => expect((await deviceOf(guid))['state']).toBe('registered'), {
    ...{ timeout: 30_000, interval: 50 },
  })
  return { ...device, guid }
}
const deviceOf = async (guid: string) =>
  (await world.api('GET', `/api/v1/devices/${guid}`)).json as Record<string, string>

const answerIn = ({ sandbox }: Device) =>
  JSON.parse(readFileSync(join(sandbox, TOKEN), 'utf8')) as Record<string, string>
const tokenIn = (device: Device) => answerIn(device)['access_token'] ?? ''
const tlsOf = ({ sandbox }: Device): DeviceTls => {
  const pem = (name: string) => readFileSync(join(sandbox, 'identity', `${name}.pem`))
  return { key: pem('key'), cert: pem('cert'), ca: pem('ca') }
}
const ask = (path: string, token: string, tls: Pick<DeviceTls, 'ca'> & Partial<DeviceTls>) =>
  askAsDevice(new URL(`/device/v1/${path}`, world.service.https ?? ''), token, tls)

describe('a device with a token of its plan', { timeout: PATIENCE_MS }, () => {
  it('calls with it at once, and nobody else does', async () => {
    await put({ type: 'service' }, { type: 'token', path: TOKEN, scopes: ['device:whoami'] })
    const [one, two] = [await made('one'), await made('two')]
    for (const device of [one, two]) {
      expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
      expect(statSync(join(device.sandbox, TOKEN)).mode & 0o777).toBe(0o600)
    }
    const { id } = await deviceOf(one.guid)
    const whoami = await ask('whoami', tokenIn(one), tlsOf(one))
    expect(whoami).toMatchObject({
      status: 200,
      body: { device_id: id, scopes: ['device:whoami'] },
    })
    expect((await ask('certificate', tokenIn(one), tlsOf(one))).status).toBe(403)

    expect(tokenIn(two)).not.toBe(tokenIn(one))
    expect((await ask('whoami', tokenIn(two), tlsOf(two))).status).toBe(200)
    expect((await ask('whoami', tokenIn(one), tlsOf(two))).status).toBe(401)
    expect((await ask('whoami', tokenIn(one), { ca: tlsOf(one).ca })).status).toBe(401)
  })

  it('has what it would get at the token endpoint', async () => {
    await put({ type: 'service' }, { type: 'token', path: TOKEN })
    const device = await made('same')
    await powerUp(device)
    const { expires_at: at, access_token: token, ...mine } = answerIn(device)
    const { access_token: asked, ...theirs } = await fetchDeviceToken(device.sandbox)
    expect(mine).toEqual(theirs)
    const [one, other] = [decodeJwt(token ?? ''), decodeJwt(asked)]
    expect({ ...one, exp: 0, iat: 0, jti: '' }).toEqual({ ...other, exp: 0, iat: 0, jti: '' })
    expect(Date.parse(at ?? '')).toBe((one.exp ?? 0) * 1000)
  })

  it('has nothing where the run breaks off after it, then or later', async () => {
    const token = { type: 'token', path: TOKEN }
    // A folder of the device's, which it makes no file of.
    await put(token, { type: 'token', path: 'identity', required: true })
    const device = await made('broken')
    expect(await powerUp(device)).toMatchObject({ result: 'failed' })
    const first = tokenIn(device)
    expect(decodeJwt(first)).toMatchObject({ scope: 'device:whoami device:certificate' })

    await put(token)
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    expect((await ask('whoami', first, tlsOf(device))).status).toBe(401)
    expect((await ask('whoami', tokenIn(device), tlsOf(device))).status).toBe(200)
  })
})
