/** Tokens of the management API, and the first of them. */
import { readFileSync, statSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FakeClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { resetAdminToken } from '../../src/main.ts'
import { withDatabase } from '../support/database.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const clock = new FakeClock()
let world: TestService
beforeAll(async () => {
  world = await startTestService({}, { clock })
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

interface Made {
  id: string
  token: string
  scopes: string[]
}
const create = (json: object, token?: string) =>
  world.api('POST', '/api/v1/tokens', { json, ...(token && { token }) })
const made = async (json: object) => (await create(json)).json as Made
const works = async (token: string) =>
  (await world.api('GET', '/api/v1/tokens', { token })).status === 200

describe("the administrator's token", () => {
  it('is one line in a file that its owner alone can read', () => {
    const file = `${world.folder}/admin.token`
    expect(readFileSync(file, 'utf8')).toMatch(/^fdoa_[0-9a-f]{16}_[\w-]{43}\n$/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('is kept as a hash', async () => {
    const rows = await world.service.services.database.db
      .selectFrom('api_token')
      .selectAll()
      .execute()
    const secret = world.adminToken.slice(-43)
    expect(JSON.stringify(rows)).not.toContain(secret)
  })
})

describe('a token', () => {
  it('is shown once, and does what its scopes say', async () => {
    const { id, token, scopes } = await made({ name: 'reader', scopes: ['token:read', 'factory'] })
    expect(scopes).toEqual(['token:read', 'factory'])
    const { json } = await world.api('GET', '/api/v1/tokens', { token })
    expect(JSON.stringify(json)).toContain(id)
    expect(JSON.stringify(json)).not.toContain(token.slice(-43))
    expect((await create({ name: 'x', scopes: ['read'] }, token)).status).toBe(403)
  })

  it('is made and revoked in the audit log, too', async () => {
    const { id } = await made({ name: 'logged', scopes: ['voucher:read'] })
    await world.api('DELETE', `/api/v1/tokens/${id}`)
    const { json } = await world.api('GET', '/api/v1/audit')
    const { items } = json as { items: { type: string; subject: { id?: string } }[] }
    const told = items.filter(({ subject }) => subject.id === id).map(({ type }) => type)
    expect(told).toEqual(['token-revoked', 'token-created'])
  })

  it('gives no more than its maker holds', async () => {
    const { token } = await made({ name: 'maker', scopes: ['token:create', 'voucher:read'] })
    expect((await create({ name: 'x', scopes: ['voucher:read'] }, token)).status).toBe(201)
    const beyond = await create({ name: 'x', scopes: ['admin'] }, token)
    expect(beyond.status).toBe(403)
    expect(beyond.json).toMatchObject({ code: 'not-permitted' })
  })

  it('has scopes that are known, a name, and an end that makes sense', async () => {
    const wrong = [
      { name: 'x', scopes: ['voucher:fly'] },
      { name: 'x', scopes: [] },
      { name: '', scopes: ['read'] },
      { name: 'x', scopes: ['read'], ttl_seconds: 0 },
      { name: 'x', scopes: ['read'], ttl_seconds: 1.5 },
      { name: 'x', scopes: ['read'], unknown: 1 },
    ]
    for (const json of wrong) {
      expect([json, (await create(json)).status]).toEqual([json, 400])
    }
  })

  it('ends when it was said to', async () => {
    const { token } = await made({ name: 'short', scopes: ['read'], ttl_seconds: 60 })
    clock.advance(59_000)
    expect(await works(token)).toBe(true)
    clock.advance(1_000)
    expect(await works(token)).toBe(false)
  })

  it('is worthless once it is revoked', async () => {
    const { id, token } = await made({ name: 'gone', scopes: ['read'] })
    expect((await world.api('DELETE', `/api/v1/tokens/${id}`)).status).toBe(204)
    expect(await works(token)).toBe(false)
    expect((await world.api('DELETE', `/api/v1/tokens/${id}`)).status).toBe(404)
  })
})

describe('a restart', () => {
  it('leaves tokens as they are, and makes no second first one', async () => {
    const { token } = await made({ name: 'stays', scopes: ['read'] })
    await world.stop()
    world = await startTestService({}, { clock, folder: world.folder })
    expect(await works(token)).toBe(true)
    expect(await works(world.adminToken)).toBe(true)
  }, 120_000)

  it('after a reset takes the new administrator token, and no longer the old', async () => {
    const before = world.adminToken
    await world.stop()
    const variables = await withDatabase({ FIRSTLIGHT_DATA: world.folder })
    const file = await resetAdminToken(loadConfig(variables))
    expect(file).toBe(`${world.folder}/admin.token`)
    world = await startTestService({}, { clock, folder: world.folder })
    expect(world.adminToken).not.toBe(before)
    expect(await works(world.adminToken)).toBe(true)
    expect(await works(before)).toBe(false)
  }, 120_000)
})
