/** The service behind a real nginx that ends TLS, with the configuration of scripts/packages. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request as requestPlain } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { HAS_NGINX, Nginx, PROXY_ADDRESS } from '../support/nginx.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'
import { PATIENCE_MS } from '../support/service.ts'

interface Shown {
  readonly key: string
  readonly cert: string
}

interface Asked {
  readonly by?: Shown | undefined
  readonly form?: Record<string, string>
  readonly headers?: Record<string, string>
  /** Past nginx, to the service itself. */
  readonly direct?: boolean
}

describe.runIf(HAS_NGINX)('behind nginx', () => {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-behind-'))
  const sandbox = join(folder, 'files')
  let nginx: Nginx
  let server: ServeProcess
  let port: number
  let local: Record<string, string>

  beforeAll(async () => {
    nginx = await Nginx.prepare()
    port = await freePort()
    server = new ServeProcess(join(folder, 'data'), port, {
      FIRSTLIGHT_PUBLIC_URL: `https://localhost:${nginx.https}`,
      FIRSTLIGHT_TRUSTED_PROXIES: PROXY_ADDRESS,
      FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: 'Client-Cert',
      FIRSTLIGHT_TLS_CERT: nginx.certFile,
    })
    await server.start()
    await nginx.start(port)
    local = {
      FIRSTLIGHT_DATA: server.folder,
      FIRSTLIGHT_URL: `https://localhost:${nginx.https}`,
      FIRSTLIGHT_CA: nginx.certFile,
    }
  }, PATIENCE_MS)
  afterAll(async () => {
    await nginx.end()
    await server.kill()
    rmSync(folder, { recursive: true })
  }, PATIENCE_MS)

  async function told(...args: string[]): Promise<Record<string, unknown>> {
    const { status, stdout, stderr, json } = await firstlight([...args, '--json'], {
      ...local,
      NODE_EXTRA_CA_CERTS: nginx.certFile,
    })
    if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stdout} ${stderr}`)
    return json as Record<string, unknown>
  }

  function ask(path: string, { by, form, headers, direct = false }: Asked) {
    const ca = readFileSync(nginx.certFile)
    const body = form && new URLSearchParams(form).toString()
    const options = {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body !== undefined && {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(body),
        }),
        ...headers,
      },
      agent: false as const,
    }
    return new Promise<{ status: number; json: Record<string, unknown> }>((resolve, reject) => {
      const call = direct
        ? requestPlain(`http://127.0.0.1:${port}${path}`, options)
        : request(`https://localhost:${nginx.https}${path}`, { ...options, ...by, ca })
      call.on('error', reject)
      call.on('response', (response) => {
        let text = ''
        response.on('data', (part: Buffer) => (text += part.toString()))
        response.on('end', () => {
          const json = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>
          resolve({ status: response.statusCode ?? 0, json })
        })
      })
      call.end(body)
    })
  }

  const shown = (): Shown => {
    const key = ecKey()
    const cert = certificatesToPem([certificateOf({ key, subject: 'erp' })])
    return { key: String(key.export({ type: 'pkcs8', format: 'pem' })), cert }
  }

  async function clientOf({ cert }: Shown): Promise<string> {
    const token = readFileSync(join(server.folder, 'admin.token'), 'utf8').trim()
    const auth = { method: 'self_signed_tls_client_auth', certificates: cert }
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/clients`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'erp', scopes: ['voucher:read'], auth }),
    })
    expect(answer.status).toBe(201)
    return ((await answer.json()) as { client_id: string }).client_id
  }

  it(
    'a device onboards, and uses its certificate',
    async () => {
      const credential = join(folder, 'credential')
      const url = `https://localhost:${nginx.https}`
      const { guid } = await told('device', 'init', '--di', url, '--credential', credential)
      await until('the device is registered', async () => {
        const device = await told('device', 'get', String(guid))
        return device['state'] === 'registered'
      })
      const keep = ['--credential', credential, '--sandbox', sandbox, '--once', '--fast']
      expect(await told('device', 'onboard', ...keep)).toMatchObject({ result: 'onboarded' })
      const { access_token: token } = await told('device', 'token', '--sandbox', sandbox)
      const file = (name: string) => readFileSync(join(sandbox, 'identity', `${name}.pem`), 'utf8')
      const by = { key: file('key'), cert: file('cert') }
      const headers = { authorization: `Bearer ${String(token)}` }
      expect((await ask('/device/v1/whoami', { by, headers })).status).toBe(200)
      expect((await ask('/device/v1/whoami', { headers })).status).toBe(401)
    },
    PATIENCE_MS,
  )

  it('a program proves itself by its certificate, and by nobody else’s', async () => {
    const [own, other] = [shown(), shown()]
    const form = { grant_type: 'client_credentials', client_id: await clientOf(own) }
    expect((await ask('/oauth/token', { by: own, form })).status).toBe(200)
    expect((await ask('/oauth/token', { by: other, form })).status).toBe(401)
    expect((await ask('/oauth/token', { form })).status).toBe(401)
  })

  it('a certificate that is only named, not shown, is nothing', async () => {
    const own = shown()
    const form = { grant_type: 'client_credentials', client_id: await clientOf(own) }
    const named = {
      'client-cert': encodeURIComponent(own.cert),
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'https',
    }
    const through = await ask('/oauth/token', { form, headers: named })
    expect(through.status).toBe(401)
    // Who is no proxy of ours cannot even say that it came over TLS.
    const past = await ask('/oauth/token', { form, headers: named, direct: true })
    expect(past.status).toBe(400)
    const { 'x-forwarded-for': _, 'x-forwarded-proto': __, ...alone } = named
    expect((await ask('/oauth/token', { form, headers: alone, direct: true })).status).toBe(401)
  })

  it('the plain listener has FDO, and sends everything else to TLS', async () => {
    const at = (path: string) =>
      fetch(`http://localhost:${nginx.http}${path}`, { redirect: 'manual' })
    const elsewhere = await at('/api/v1/vouchers')
    expect(elsewhere.status).toBe(308)
    const answer = await fetch(`http://localhost:${nginx.http}/fdo/101/msg/30`, {
      method: 'POST',
      headers: { 'content-type': 'application/cbor' },
      body: Buffer.from('8150' + 'ab'.repeat(16), 'hex'),
    })
    expect(answer.headers.get('message-type')).toBe('255')
  })
})
