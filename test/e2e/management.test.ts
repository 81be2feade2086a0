/** The management API as a whole: who may call what, and how it says no. */
import { readFileSync } from 'node:fs'
import { format, resolveConfig } from 'prettier'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ApiDocument, apiTypes } from '../../scripts/api-types.ts'
import { openApiDocument, permissionTable } from '../../src/http/openapi.ts'
import { PERMISSIONS } from '../../src/http/permissions.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let world: TestService
/** Every operation in the document that the service gives of itself. */
let operations: { method: string; path: string; permission: string }[]

beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_TLS_PORT: '0' })
  const { json } = await world.api('GET', '/api/v1/openapi.json')
  const { paths } = json as { paths: Record<string, Record<string, Record<string, string>>> }
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: `/api/v1${path}`,
      permission: operation['x-permission'] ?? 'none',
    })),
  )
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

const golden = (name: string) =>
  readFileSync(new URL(`../../fixtures/golden/${name}`, import.meta.url), 'utf8')
/** With values in the place of parameters. */
const concrete = (path: string) => path.replaceAll(/\{\w+\}/g, 'a'.repeat(32))

async function tokenWith(scopes: readonly string[]): Promise<string> {
  const body = { name: 'test', scopes, ttl_seconds: 600 }
  const { json } = await world.api('POST', '/api/v1/tokens', { json: body })
  return (json as { token: string }).token
}

describe('every operation', () => {
  it('is in the list of permissions, as it was last agreed', async () => {
    const { json } = await world.api('GET', '/api/v1/openapi.json')
    // To accept a change: node dist/scripts/golden.js, after a build.
    expect(`${permissionTable(json).join('\n')}\n`).toBe(golden('permissions.txt'))
  })

  it('is described as it was last agreed', async () => {
    const { json } = await world.api('GET', '/api/v1/openapi.json')
    expect(`${JSON.stringify(json, null, 2)}\n`).toBe(golden('openapi.json'))
  })

  it('has the types that the command line goes by', async () => {
    const { json } = await world.api('GET', '/api/v1/openapi.json')
    const file = 'src/cli/api-types.d.ts'
    const options = { ...(await resolveConfig(file)), parser: 'typescript' }
    expect(readFileSync(file, 'utf8')).toBe(await format(apiTypes(json as ApiDocument), options))
  })

  it('refuses a caller without a token, or with one that is not good', async () => {
    const id = world.adminToken.slice(0, 'fdoa_'.length + 16)
    const bad = ['nonsense', `${id}_${'A'.repeat(43)}`, world.adminToken.slice(0, -1)]
    const all = [...operations, { method: 'GET', path: '/metrics' }]
    for (const [i, { method, path }] of all.entries()) {
      // One of them each: who guesses more is told to wait.
      for (const token of [null, bad[i % bad.length] ?? null]) {
        const { status, headers, json } = await world.api(method, concrete(path), { token })
        expect([method, path, status]).toEqual([method, path, 401])
        expect(headers['content-type']).toBe('application/problem+json')
        expect(headers['www-authenticate']).toMatch(/^Bearer/)
        expect(json).toMatchObject({ code: 'not-authenticated', status: 401 })
      }
    }
  })

  it('refuses a token that has every permission but the one it takes', async () => {
    for (const { method, path, permission } of operations) {
      const token = await tokenWith(PERMISSIONS.filter((one) => one !== permission))
      const { status, json } = await world.api(method, concrete(path), { token })
      expect([method, path, status]).toEqual([method, path, 403])
      expect(json).toMatchObject({ code: 'not-permitted' })
    }
  })

  it('takes an administrator past its door, whatever it then says', async () => {
    for (const { method, path, permission } of operations) {
      if (permission === 'party:join') continue
      const { status } = await world.api(method, concrete(path))
      expect([401, 403, 500]).not.toContain(status)
    }
  })
})

describe('no token', () => {
  it('is needed for what is said to need none', async () => {
    for (const path of ['/health/live', '/health/ready']) {
      expect((await world.api('GET', path, { token: null })).status).toBe(200)
    }
  })

  it('opens anything below /api, even what is not there', async () => {
    for (const path of [
      '/api',
      '/api/v1',
      '/api/v1/none',
      '/api/v2/vouchers',
      '/api/v1//vouchers',
    ]) {
      const { status } = await world.api('GET', path, { token: null })
      expect([401, 404]).toContain(status)
    }
  })
})

describe('a list', () => {
  it('comes in pages', async () => {
    await tokenWith(['read'])
    const ids: string[] = []
    let cursor = ''
    for (let page = 0; page < 1_000; page++) {
      const { json } = await world.api('GET', `/api/v1/tokens?limit=1${cursor}`)
      const { items, next } = json as { items: { id: string }[]; next: string | null }
      expect(items).toHaveLength(1)
      ids.push(...items.map(({ id }) => id))
      if (next === null) break
      cursor = `&cursor=${next}`
    }
    const { json } = await world.api('GET', '/api/v1/tokens?limit=500')
    expect((json as { items: { id: string }[] }).items.map(({ id }) => id)).toEqual(ids)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('refuses a limit or cursor that makes no sense', async () => {
    for (const query of ['limit=0', 'limit=501', 'limit=x', 'cursor=!']) {
      const { status, json } = await world.api('GET', `/api/v1/tokens?${query}`)
      expect([query, status]).toEqual([query, 400])
      expect(json).toMatchObject({ code: 'invalid-request' })
    }
  })
})

describe('a body', () => {
  it('is refused where it is too long, of another type, or no JSON', async () => {
    const long = {
      body: 'x'.repeat((1 << 20) + 1),
      headers: { 'content-type': 'application/json' },
    }
    expect((await world.api('POST', '/api/v1/tokens', long)).status).toBe(413)
    const text = { body: 'x', headers: { 'content-type': 'text/plain' } }
    expect((await world.api('POST', '/api/v1/tokens', text)).status).toBe(415)
    const broken = { body: '{', headers: { 'content-type': 'application/json' } }
    expect((await world.api('POST', '/api/v1/tokens', broken)).status).toBe(400)
    expect((await world.api('POST', '/api/v1/tokens', { json: { name: 'x' } })).status).toBe(400)
  })
})

describe('a body that does not say how long it is', () => {
  const chunked = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' }

  it('is read', async () => {
    const body = JSON.stringify({ name: 'chunked', scopes: ['read'] })
    const { status } = await world.api('POST', '/api/v1/tokens', { body, headers: chunked })
    expect(status).toBe(201)
  })

  it('is refused when it has become too long', async () => {
    const body = 'x'.repeat((1 << 20) + 1)
    const { status } = await world.api('POST', '/api/v1/tokens', { body, headers: chunked })
    expect(status).toBe(413)
  })
})

describe('a request', () => {
  it('gets an id, which the problem names, and is kept by no cache', async () => {
    const { headers, json } = await world.api('GET', '/api/v1/vouchers/none')
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{16}$/)
    expect(json).toMatchObject({ instance: `urn:fdo:request:${headers['x-request-id']}` })
    expect(headers['cache-control']).toBe('no-store')
  })
})

describe('the document', () => {
  it('is the one its routes make', () => {
    expect(openApiDocument([])).toMatchObject({ openapi: '3.1.0' })
    expect(operations.length).toBeGreaterThan(20)
  })
})

describe('/metrics', () => {
  it('counts what happened', async () => {
    const { body, headers } = await world.api('GET', '/metrics')
    expect(headers['content-type']).toMatch(/^text\/plain/)
    expect(body.toString()).toMatch(/firstlight_events_total\{event="api-token-created"\} [1-9]/)
    expect(body.toString()).toContain('firstlight_fdo_messages_total')
  })
})
