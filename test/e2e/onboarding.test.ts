/** From the factory floor to a device that uses its own credential, over real sockets. */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { onboardFromFile } from '../../src/simulator/agent.ts'
import { readCredentialFile, writeCredentialFile } from '../../src/simulator/credential-file.ts'
import { manufactureDevice } from '../../src/simulator/manufacture.ts'
import { fetchDeviceToken } from '../../src/simulator/token.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'
import { withDatabase } from '../support/database.ts'
import { Unhurried } from '../support/unhurried.ts'

let folder: string
let service: RunningService
const url = () => service.http ?? ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
  const config = loadConfig(
    await withDatabase({
      FIRSTLIGHT_DATA: join(folder, 'data'),
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: '0',
      FIRSTLIGHT_LOG: 'error',
    }),
  )
  service = await startService(config, { load: new Unhurried() })
}, 60_000)

afterAll(async () => {
  await service.stop()
  rmSync(folder, { recursive: true, force: true })
}, 60_000)

async function made(name: string, kind: 'p256' | 'p384' | 'rsa2048' = 'p256') {
  const credentialPath = join(folder, `${name}.credential`)
  const sandbox = join(folder, name)
  mkdirSync(sandbox)
  const guid = await manufactureDevice({
    transport: fdoTransport(url(), {}),
    credentialPath,
    key: kind,
    ownerKey: kind,
    encoding: 'x509',
    serial: name,
    model: 'e2e',
  })
  await registered(guid)
  return { guid, credentialPath, sandbox }
}

/** By its owner, at the rendezvous: in this set-up nobody has to do anything for it. */
async function registered(guid: string): Promise<void> {
  const { db } = service.services.database
  await vi.waitFor(
    async () => {
      const device = db.selectFrom('device').select('state').where('guid', '=', guid)
      expect((await device.executeTakeFirst())?.state).toBe('registered')
    },
    { timeout: 30_000, interval: 20 },
  )
}

const powerUp = (device: { credentialPath: string; sandbox: string }) =>
  onboardFromFile({ ...device, once: true, fast: true, note: () => {} })

describe('a device', { timeout: 60_000 }, () => {
  it('is made, finds its owner, and gets a token for its own certificate', async () => {
    const device = await made('first')
    const result = await powerUp(device)
    expect(result).toMatchObject({
      result: 'onboarded',
      previous_guid: device.guid,
      error_code: null,
    })
    expect(readdirSync(join(device.sandbox, 'identity')).sort()).toEqual([
      'ca.pem',
      'cert.pem',
      'key.pem',
      'service.json',
    ])
    const token = await fetchDeviceToken(device.sandbox)
    expect(token).toMatchObject({ token_type: 'Bearer', scope: 'device:whoami' })
  })

  it.each(['p384', 'rsa2048'] as const)('with %s keys is onboarded, too', async (kind) => {
    expect((await powerUp(await made(kind, kind))).result).toBe('onboarded')
  })

  it('is sold on to the same owner, and onboarded once more', async () => {
    const device = await made('sold')
    const { guid } = await powerUp(device)
    const sold = await fetch(`${url()}/api/v1/vouchers/${guid}/sell`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${readFileSync(join(folder, 'data', 'admin.token'), 'utf8').trim()}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ to: 'self' }),
    })
    expect(sold.status).toBe(200)
    const file = readCredentialFile(device.credentialPath)
    if (!file?.credential) throw new Error('no credential')
    const credential = { ...file.credential, active: true }
    writeCredentialFile(device.credentialPath, { ...file, credential })
    await registered(guid)
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded', previous_guid: guid })
  })
})
