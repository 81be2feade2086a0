/** Each answer of TO2 is lost, and the service killed: the device has one token, and it counts. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import type { FdoTransport } from '../../protocol/converse.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import { redirectFleetDevice } from '../../src/fleet/device.ts'
import { memoryHost } from '../../src/fleet/memory-host.ts'
import { aboutDevice } from '../../src/simulator/about.ts'
import { meetOwner } from '../../src/simulator/onboard.ts'
import { askAsDevice } from '../support/device-calls.ts'
import { NO_FAULT, devicesAt, expectOneOnboarding } from '../support/faulty-world.ts'
import { ServeProcess, freePort } from '../support/programs.ts'

/** A start of the service for every message, on a machine that may be busy. */
const PATIENCE_MS = 240_000

let folder: string
let server: ServeProcess
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-fault-'))
  const variables = { FIRSTLIGHT_TLS_PORT: String(await freePort()) }
  server = new ServeProcess(folder, await freePort(), variables)
  await server.start()
}, PATIENCE_MS)
afterEach(async () => {
  await server.kill()
  rmSync(folder, { recursive: true })
})

it('is told the same again by a service that has died', { timeout: PATIENCE_MS }, async () => {
  const steps = [{ type: 'identity' }, { type: 'token', path: 'token.json' }]
  await server.put('/plans/default', { steps })
  const device = await devicesAt(server).make(NO_FAULT)
  const host = memoryHost()
  let https = ''
  let repeated = 0
  const transport: FdoTransport = async (message, authorization) => {
    const send = async () => {
      const { send: once, close } = httpTransport(server.url)
      return once(message, authorization).finally(close)
    }
    if (message.number < 66) return send()
    const lost = await send()
    await server.kill()
    https = (await server.start()).https ?? ''
    const answer = await send()
    expect(answer.message.number).not.toBe(ERROR_MESSAGE)
    expect(toHex(answer.message.bytes)).toBe(toHex(lost.message.bytes))
    repeated++
    return answer
  }
  const surroundings = {
    transportTo: () => transport,
    ...{ now: () => new Date(), sleep: () => Promise.resolve(), note: () => {} },
  }
  const powered = {
    ...{ credential: device.credential, signer: device.signer, acceptsReuse: true },
    ...{ about: aboutDevice('fleet-device', device.serial), kex: 'ECDH256', cipher: 1 },
    modules: () => deviceModulesFor(host),
  }
  await meetOwner(await redirectFleetDevice(device, surroundings), powered, surroundings)
  expect(repeated).toBeGreaterThanOrEqual(4)
  await expectOneOnboarding(server, device.credential.guid)

  const { access_token: token } = JSON.parse(fileOn('token.json').toString()) as {
    access_token: string
  }
  const tls = {
    ...{ key: fileOn('identity/key.pem'), cert: fileOn('identity/cert.pem') },
    ca: fileOn('identity/ca.pem'),
  }
  const url = new URL('/device/v1/whoami', https)
  expect(await askAsDevice(url, token, tls)).toMatchObject({ status: 200 })
  expect((await askAsDevice(url, token, { ca: tls.ca })).status).toBe(401)

  function fileOn(path: string): Buffer {
    return Buffer.from(host.contents.get(path) ?? [])
  }
})
