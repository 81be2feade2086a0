/** The whole service over HTTPS, with a certificate of its own authority or of another. */
import { HOME_PARTY } from '../../src/database/tables.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type RequestOptions, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { certificatesToPem, fromPem } from '../../protocol/x509/pem.ts'
import { loadConfig } from '../../src/config.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { onboard, openTestPki } from '../support/pki.ts'
import { withDatabase } from '../support/database.ts'
import { PATIENCE_MS } from '../support/service.ts'
import { Unhurried } from '../support/unhurried.ts'

const DEVICE = 'fdod_aaaaaaaaaaaaaaaaaaaaaaaaaa'

// Every start makes RSA keys, which keeps a small machine busy for seconds.
vi.setConfig({ testTimeout: PATIENCE_MS, hookTimeout: PATIENCE_MS })

const folders: string[] = []
const running: RunningService[] = []
afterEach(async () => {
  for (const service of running.splice(0)) await service.stop()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'authority-'))
  folders.push(folder)
  return folder
}

async function start(variables: Record<string, string> = {}, folder = newFolder()) {
  const config = loadConfig(
    await withDatabase({
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: '0',
      FIRSTLIGHT_LOG: 'silent',
      ...variables,
    }),
  )
  const service = await startService(config, { load: new Unhurried() })
  running.push(service)
  return { service, ca: readFileSync(join(folder, 'ca.pem')), folder }
}

interface Call extends RequestOptions {
  readonly form?: Record<string, string>
}

function call(url: string, { form, ...options }: Call) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = {
      ...options.headers,
      ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
    }
    const outgoing = request(
      url,
      { agent: false, ...options, headers, method: form ? 'POST' : 'GET' },
      (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(form && new URLSearchParams(form).toString())
  })
}

/** A device as it is after TO2, without going through it. */
async function onboarded({ services, domains }: RunningService) {
  const { database, clock } = services
  const at = clock.now().toISOString()
  const device = { id: DEVICE, guid: 'c'.repeat(32), serial: 'S', model: 'M' }
  await database.db
    .insertInto('device')
    .values({
      party: HOME_PARTY,
      ...device,
      state: 'onboarded',
      group_name: 'default',
      last_error: null,
      created_at: at,
      updated_at: at,
      onboarded_at: at,
    })
    .execute()
  const { privateKey, chain } = await onboard({ database, pki: domains.pki }, DEVICE)
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key, cert: certificatesToPem(chain) }
}

describe('our own authority', () => {
  it('vouches for the listener, under every name, and is the same after a restart', async () => {
    const { service, ca, folder } = await start()
    const { port } = new URL(service.https!)
    for (const host of ['127.0.0.1', 'localhost']) {
      const { status } = await call(`https://${host}:${port}/health/live`, { ca, family: 4 })
      expect(status).toBe(200)
    }
    await running.pop()!.stop()
    const again = await start({}, folder)
    expect(again.ca).toEqual(ca)
    expect((await call(`${again.service.https}/health/live`, { ca })).status).toBe(200)
  })

  it('is nobody to those who do not trust it', async () => {
    const { service } = await start()
    await expect(call(`${service.https}/health/live`, {})).rejects.toThrow(/certificate/)
  })

  it('lets a device get a token and use it, within the scopes of its group', async () => {
    const { service, ca } = await start()
    const identity = { ca, ...(await onboarded(service)) }
    const metadata = JSON.parse(
      (await call(`${service.https}/.well-known/oauth-authorization-server`, { ca })).body,
    )
    expect(metadata.issuer).toBe(service.https)
    const form = { grant_type: 'client_credentials', client_id: DEVICE }
    const answer = JSON.parse((await call(metadata.token_endpoint, { ...identity, form })).body)
    expect(answer).toMatchObject({ token_type: 'Bearer', scope: 'device:whoami' })

    const headers = { authorization: `Bearer ${answer.access_token}` }
    const whoami = await call(`${service.https}/device/v1/whoami`, { ...identity, headers })
    expect(JSON.parse(whoami.body)).toEqual({
      device_id: DEVICE,
      guid: 'c'.repeat(32),
      scopes: ['device:whoami'],
    })
    const more = await call(`${service.https}/device/v1/certificate`, { ...identity, headers })
    expect(more.status).toBe(403)
    expect(JSON.parse(more.body)).toMatchObject({ code: 'not-permitted' })
    const plain = await fetch(`${service.http}/device/v1/whoami`, { headers })
    expect(plain.status).toBe(401)
    const management = await call(`${service.https}/api/v1/devices`, { ...identity, headers })
    expect(management.status).toBe(401)
  })

  it('is told of by the public URL where there is one, at the port that is bound', async () => {
    const { service, ca } = await start({ FIRSTLIGHT_PUBLIC_URL: 'http://localhost:1' })
    const { port } = new URL(service.https!)
    const { body } = await call(`${service.https}/.well-known/oauth-authorization-server`, { ca })
    expect(JSON.parse(body).issuer).toBe(`https://localhost:${port}`)
  })
})

describe('a listener certificate made elsewhere', () => {
  it('is used, and what vouches for it is in the bundle that devices get', async () => {
    const elsewhere = await openTestPki({ now: () => new Date() })
    const { key, chain } = await elsewhere.pki.issueServerCertificate(['127.0.0.1'])
    const folder = newFolder()
    const files = { cert: join(folder, 'tls.pem'), key: join(folder, 'tls.key') }
    const [root] = elsewhere.pki.trustBundle()
    writeFileSync(files.cert, certificatesToPem([...chain, root!]))
    writeFileSync(files.key, key)
    const { service, ca } = await start({
      FIRSTLIGHT_TLS_CERT: files.cert,
      FIRSTLIGHT_TLS_KEY: files.key,
    })
    expect((await call(`${service.https}/health/live`, { ca })).status).toBe(200)
    expect(fromPem(ca.toString())).toHaveLength(3)
    await elsewhere.database.close()
  })
})
