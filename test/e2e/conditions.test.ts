/** What can be changed is shown under the same path, and changed on the condition that it is still so. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let world: TestService
beforeAll(async () => {
  world = await startTestService()
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

const AT = '2026-01-01T00:00:00.000Z'
const FINGERPRINT = 'ab'.repeat(32)
const GUID = 'cd'.repeat(16)

const api = (method: string, path: string, json?: unknown, headers?: Record<string, string>) =>
  world.api(method, `/api/v1${path}`, {
    ...(json !== undefined && { json }),
    ...(headers && { headers }),
  })

/** Makes one, and gives its path. */
async function made(list: string, wanted: object, name = 'id'): Promise<string> {
  const { status, json } = await api('POST', list, wanted)
  expect([list, status]).toEqual([list, 201])
  return `${list}/${(json as Record<string, string>)[name]}`
}

async function witness(): Promise<string> {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const public_key = publicKey.export({ type: 'spki', format: 'pem' })
  return made('/audit/witnesses', { name: 'notary', public_key }, 'fingerprint')
}

async function content(): Promise<string> {
  const headers = { 'content-type': 'application/octet-stream' }
  const { json } = await world.api('POST', '/api/v1/plan-contents', { body: 'x', headers })
  return `/plan-contents/${(json as { ref: string }).ref}`
}

async function issuer(): Promise<string> {
  const row = { party: HOME_PARTY, fingerprint: FINGERPRINT, name: 'x', created_at: AT }
  await world.service.services.database.db.insertInto('order_issuer').values(row).execute()
  return `/order-issuers/${FINGERPRINT}`
}

async function alarm(): Promise<string> {
  const tried = { times: 1, entries: 1, source: '192.0.2.1', first_at: AT, last_at: AT }
  const row = { guid: GUID, owner_key: Buffer.alloc(32, 1), ...tried }
  await world.service.services.database.db.insertInto('registration_alarm').values(row).execute()
  return `/rendezvous-alarms/${GUID}`
}

const THINGS: readonly (readonly [what: string, make: () => Promise<string>])[] = [
  ['a token', () => made('/tokens', { name: 't', scopes: ['read'] })],
  ['an invitation', () => made('/invitations', { name: 'other', roles: ['owner'] })],
  ['an inbox token', () => made('/inbox-tokens', { name: 'maker' })],
  ['a witness', witness],
  ['a file for plans', content],
  ['an issuer of orders', issuer],
  ['alarms about a device', alarm],
]

describe('what was looked at', { timeout: PATIENCE_MS }, () => {
  it.each(THINGS)('goes as it was seen, and not otherwise: %s', async (_what, make) => {
    const path = await make()
    const { status, headers } = await api('GET', path)
    expect(status).toBe(200)
    const other = await api('DELETE', path, undefined, { 'if-match': '"other"' })
    expect(other.status).toBe(412)
    const etag = String(headers['etag'])
    expect((await api('DELETE', path, undefined, { 'if-match': etag })).status).toBe(204)
    // What was revoked is shown, and says so.
    const after = await api('GET', path)
    const revoked = (after.json as { revoked_at?: string | null }).revoked_at
    expect([after.status, revoked]).toEqual(
      /tokens/.test(path) ? [200, expect.any(String)] : [404, undefined],
    )
  })

  it('is scheduled as it was seen, where vouchers are pulled from it', async () => {
    const pull_url = 'https://partner.example/api/v1/pull/vouchers'
    const { json } = await api('POST', '/partners', { name: 'maker', pull_url })
    const { id } = json as { id: string }
    const path = `/transfer-sources/${id}`
    const seen = await api('GET', path)
    expect(seen.json).toMatchObject({ id, pull_url, every_seconds: null })
    const headers = { 'if-match': String(seen.headers['etag']) }
    expect((await api('PUT', path, { every_seconds: 600 }, headers)).status).toBe(200)
    expect((await api('PUT', path, { every_seconds: 60 }, headers)).status).toBe(412)
    const silent = await made('/partners', { name: 'buyer' })
    expect((await api('GET', silent.replace('partners', 'transfer-sources'))).status).toBe(404)
  })

  it('is a rule, of which there may be many: they come by pages', async () => {
    const { json } = await api('POST', '/partners', { name: 'next' })
    const { id: partner } = json as { id: string }
    for (const model of ['A', 'B', 'C']) await made('/transfer-rules', { model, partner })
    const models: string[] = []
    let cursor = ''
    for (let pages = 0; pages < 2; pages++) {
      const page = await api('GET', `/transfer-rules?limit=2${cursor}`)
      const { items, next } = page.json as { items: { model: string }[]; next: string | null }
      models.push(...items.map(({ model }) => model))
      cursor = `&cursor=${next}`
    }
    expect(models.toSorted()).toEqual(['A', 'B', 'C'])
    expect(cursor).toBe('&cursor=null')
  })
})
