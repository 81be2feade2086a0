/** Programs that prove themselves by certificates over mutual TLS, and whose tokens are bound to them. */
import { type KeyObject, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { der, sequence } from '../../protocol/x509/der.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { thumbprintOf } from '../../src/callers/clients/credential.ts'
import {
  CA_USAGE,
  type CertificateOrder,
  certificateOf,
  ecKey,
  extension,
} from '../support/certificates.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

interface Shown {
  readonly key: KeyObject
  readonly certificate: Uint8Array
}

let world: TestService
let url: string

beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_TLS_PORT: '0' })
  url = world.service.https ?? ''
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

/** A certificate, self-signed or by `issuer`. */
function shown(order: Partial<CertificateOrder> = {}): Shown {
  const key = ecKey()
  const subject = `erp ${randomBytes(4).toString('hex')}`
  return { key, certificate: certificateOf({ key, subject, ...order }) }
}

const dnsName = (name: string) => extension('2.5.29.17', sequence(der(0x82, Buffer.from(name))))

async function register(auth: object): Promise<string> {
  const json = { name: 'erp', scopes: ['voucher:read'], auth }
  const answer = await world.api('POST', '/api/v1/clients', { json })
  expect(answer.status, JSON.stringify(answer.json)).toBe(201)
  return (answer.json as { client_id: string }).client_id
}

interface Sent {
  readonly by?: Shown | undefined
  readonly form?: Record<string, string>
  readonly headers?: Record<string, string>
}

function send(path: string, { by, form, headers }: Sent) {
  const ca = readFileSync(join(world.folder, 'ca.pem'))
  const body = form && new URLSearchParams(form).toString()
  const pair = by && {
    key: by.key.export({ type: 'pkcs8', format: 'pem' }),
    cert: certificatesToPem([by.certificate]),
  }
  return new Promise<{ status: number; json: Record<string, unknown> }>((resolve, reject) => {
    const call = request(new URL(path, url), {
      method: form ? 'POST' : 'GET',
      ...pair,
      ...{ ca, agent: false },
      headers: {
        ...(body && {
          'content-type': 'application/x-www-form-urlencoded',
          'content-length': Buffer.byteLength(body),
        }),
        ...headers,
      },
    })
    call.on('error', reject)
    call.on('response', (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const json = JSON.parse(Buffer.concat(parts).toString()) as Record<string, unknown>
        resolve({ status: response.statusCode ?? 0, json })
      })
    })
    call.end(body)
  })
}

const ask = (client_id: string, by?: Shown, more = {}) =>
  send('/oauth/token', { by, form: { grant_type: 'client_credentials', client_id, ...more } })

async function refused(client_id: string, by?: Shown): Promise<void> {
  const { status, json } = await ask(client_id, by)
  expect({ status, error: json['error'] }).toEqual({ status: 401, error: 'invalid_client' })
}

const vouchers = async (token: unknown, by?: Shown) =>
  (await send('/api/v1/vouchers', { by, headers: { authorization: `Bearer ${String(token)}` } }))
    .status

const selfSigned = (...certificates: Uint8Array[]) => ({
  method: 'self_signed_tls_client_auth',
  certificates: certificatesToPem(certificates),
})

describe('a program with a certificate of its own', () => {
  it('gets a token that is good for nothing without it', async () => {
    const [own, other] = [shown(), shown()]
    const id = await register(selfSigned(own.certificate))
    const { json } = await ask(id, own)
    const token = json['access_token']
    expect(decodeJwt(String(token))['cnf']).toEqual({ 'x5t#S256': thumbprintOf(own.certificate) })
    expect(await vouchers(token, own)).toBe(200)
    expect(await vouchers(token, other)).toBe(401)
    expect(await vouchers(token)).toBe(401)
    const plain = await world.api('GET', '/api/v1/vouchers', { token: String(token) })
    expect(plain.status).toBe(401)
  })

  it('may have several, to go from one to the next', async () => {
    const [own, next, stranger] = [shown(), shown(), shown()]
    const id = await register(selfSigned(own.certificate, next.certificate))
    expect((await ask(id, own)).status).toBe(200)
    expect((await ask(id, next)).status).toBe(200)
    await refused(id, stranger)
    await refused(id)
  })

  it('is refused with one that is not in force', async () => {
    const late = shown({ notAfter: new Date('2026-01-02T00:00:00Z') })
    const early = shown({ notBefore: new Date('2055-01-01T00:00:00Z') })
    for (const one of [late, early]) await refused(await register(selfSigned(one.certificate)), one)
  })

  it('is refused with one of another program', async () => {
    const [own, other] = [shown(), shown()]
    const id = await register(selfSigned(own.certificate))
    await register(selfSigned(other.certificate))
    await refused(id, other)
  })

  it('has a token for either name of the API', async () => {
    const own = shown()
    const id = await register(selfSigned(own.certificate))
    for (const resource of [`${url}/api/v1`, `${world.service.publicUrl}/api/v1`]) {
      const { json } = await ask(id, own, { resource })
      expect(decodeJwt(String(json['access_token'])).aud).toBe(resource)
      expect(await vouchers(json['access_token'], own)).toBe(200)
    }
    const { json } = await ask(id, own, { resource: `${url}/device/v1` })
    expect(json['error']).toBe('invalid_target')
  })

  it('uses its token nowhere but at that API', async () => {
    const own = shown()
    const { json } = await ask(await register(selfSigned(own.certificate)), own)
    const authorization = `Bearer ${String(json['access_token'])}`
    const { status } = await send('/device/v1/whoami', { by: own, headers: { authorization } })
    expect(status).toBe(401)
  })
})

describe('a program whose certificates an authority issues', () => {
  const caKey = ecKey()
  const issuer = { key: caKey, subject: 'acme ca' }
  const ca = certificateOf({ ...issuer, isCa: true, keyUsage: CA_USAGE })
  const certified = (more: object) => ({
    ...{ method: 'tls_client_auth', ca: certificatesToPem([ca]) },
    ...more,
  })

  it('is known by a name in them, whichever of them it shows', async () => {
    const id = await register(certified({ san_dns: 'erp.acme.example' }))
    for (let i = 0; i < 2; i++) {
      const one = shown({ issuer, extensions: [dnsName('erp.acme.example')] })
      expect((await ask(id, one)).status).toBe(200)
    }
    const named = await register(certified({ subject_dn: 'CN=erp' }))
    expect((await ask(named, shown({ issuer, subject: 'erp' }))).status).toBe(200)
  })

  it('is refused with another name, or by another authority', async () => {
    const id = await register(certified({ san_dns: 'erp.acme.example' }))
    await refused(id, shown({ issuer, extensions: [dnsName('mes.acme.example')] }))
    await refused(id, shown({ issuer, extensions: [dnsName('x, DNS:erp.acme.example')] }))
    await refused(id, shown({ issuer, subject: 'erp.acme.example' }))
    const impostor = { key: ecKey(), subject: 'acme ca' }
    await refused(id, shown({ issuer: impostor, extensions: [dnsName('erp.acme.example')] }))
    await refused(id, shown({ extensions: [dnsName('erp.acme.example')] }))
    const expired = { notAfter: new Date('2026-01-02T00:00:00Z') }
    await refused(id, shown({ issuer, extensions: [dnsName('erp.acme.example')], ...expired }))
  })

  it('has exactly one such name', async () => {
    for (const names of [{}, { san_dns: 'a', san_uri: 'b' }]) {
      const json = { name: 'x', scopes: ['voucher:read'], auth: certified(names) }
      const answer = await world.api('POST', '/api/v1/clients', { json })
      expect(answer.json).toMatchObject({ detail: expect.stringContaining('one of subject_dn') })
    }
  })
})

describe('the metadata of a service with HTTPS', () => {
  it('names mutual TLS, and each listener’s name of the API', async () => {
    const server = await send('/.well-known/oauth-authorization-server', {})
    expect(server.json).toMatchObject({
      issuer: url,
      tls_client_certificate_bound_access_tokens: true,
      token_endpoint_auth_methods_supported: expect.arrayContaining(['tls_client_auth']),
    })
    const path = '/.well-known/oauth-protected-resource'
    expect((await send(path, {})).json).toMatchObject({ resource: `${url}/api/v1` })
    const plain = await world.api('GET', path, { token: null })
    const { publicUrl } = world.service
    expect(plain.json).toMatchObject({
      resource: `${publicUrl}/api/v1`,
      authorization_servers: [url],
    })
  })
})
