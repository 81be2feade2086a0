/** /api/v1/webhooks, as one party sees it beside another. */
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { Webhooks } from '../../../../src/webhooks/service.ts'
import { OTHER_PARTY, anEntry } from '../../../support/audit-world.ts'
import {
  OutboundFailure,
  RECEIVER,
  WebhookWorld,
  principalOf,
} from '../../../support/webhook-world.ts'

let world: WebhookWorld
beforeEach(async () => {
  world = await WebhookWorld.open()
})
afterEach(() => world.log.database.close())

const post = (path: string, json: unknown, options = {}) =>
  world.call('POST', path, { json, ...options })
const typesInLog = async () => (await world.log.entries()).map(({ type }) => type)

describe('a webhook', () => {
  it('is made, shown, changed and removed, which the log tells without its secrets', async () => {
    const { secret, ...made } = await world.add({
      url: RECEIVER,
      types: ['voucher-*', 'onboarded'],
    })
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    expect(made).toMatchObject({
      url: RECEIVER,
      types: ['voucher-*', 'onboarded'],
      state: 'active',
      pending: 0,
    })
    const path = `/webhooks/${made.id}`
    expect((await world.call('GET', path)).json).toEqual(made)
    expect((await world.call('GET', '/webhooks')).json).toEqual({ items: [made], next: null })
    const change = { url: 'https://other.example/', types: ['*'], enabled: false }
    const changed = await world.call('PATCH', path, { json: change })
    expect(changed.json).toMatchObject({ url: change.url, types: ['*'], state: 'disabled' })
    expect((await world.call('DELETE', path)).status).toBe(204)
    expect((await world.call('GET', path)).status).toBe(404)
    expect((await world.call('DELETE', path)).status).toBe(404)
    expect(await typesInLog()).toEqual(['webhook-added', 'webhook-changed', 'webhook-removed'])
    const log = JSON.stringify(await world.log.entries())
    expect(log).toContain('https://hooks.example')
    expect(log).not.toContain('hidden')
    expect(log).not.toContain(secret.slice(6))
  })

  it('has a secret that is kept under the master key', async () => {
    const { id, secret } = await world.add()
    const bytes = Buffer.from(secret.slice(6), 'base64')
    const rows = await sql<{ secret: Buffer }>`select * from webhook`.execute(world.log.database.db)
    expect(rows.rows[0]!.secret.includes(bytes)).toBe(false)
    const row = (await world.webhooks.list(principalOf('fdop_home'), 1))[0]!
    expect(Buffer.from(world.webhooks.secretOf(row))).toEqual(bytes)
    const sealer = new Sealer(new Uint8Array(32).fill(1))
    const { database, clock, audit } = world.log
    const elsewhere = new Webhooks({ database, clock, audit, sealer, outbound: world.receiver })
    expect(() => elsewhere.secretOf(row)).toThrow(id)
  })

  it('has an address that may be called', async () => {
    const wrong = [
      { url: 'ftp://hooks.example/' },
      { url: 'javascript:alert(1)' },
      { url: 'hooks.example' },
      { url: 'https://me:secret@hooks.example/' },
      { url: 'https://10.0.0.1/' },
      { url: `https://hooks.example/${'x'.repeat(2_100)}` },
      { url: RECEIVER, types: [] },
      { url: RECEIVER, types: ['a b'] },
      { url: RECEIVER, types: ['*x'] },
      { url: RECEIVER, types: ['voucher-sold'] },
      { url: RECEIVER, types: ['vouchers-*'] },
      { url: RECEIVER, secret: 'mine' },
      {},
    ]
    for (const json of wrong) {
      expect([json, (await post('/webhooks', json)).status]).toEqual([json, 400])
    }
    const { id } = await world.add()
    const moved = await world.call('PATCH', `/webhooks/${id}`, {
      json: { url: 'https://10.0.0.1/' },
    })
    expect(moved.status).toBe(400)
    expect(moved.json.detail).toContain('10.0.0.1 is private')
  })

  it('is one of twenty at most', async () => {
    for (let i = 0; i < 20; i++) await world.add()
    expect((await post('/webhooks', { url: RECEIVER })).status).toBe(409)
    const elsewhere = await post('/webhooks', { url: RECEIVER }, { party: OTHER_PARTY })
    expect(elsewhere.status).toBe(201)
    const page = await world.call('GET', '/webhooks?limit=15')
    const rest = await world.call('GET', `/webhooks?limit=15&cursor=${page.json.next}`)
    expect([page.json.items.length, rest.json.items.length]).toEqual([15, 5])
  })

  it('is there for its own party, and for who may', async () => {
    const { id } = await world.add()
    const path = `/webhooks/${id}`
    const calls: [string, string, unknown?][] = [
      ['GET', path],
      ['PATCH', path, { enabled: false }],
      ['POST', `${path}/replay`, { from_seq: 1 }],
      ['POST', `${path}/test`],
      ['DELETE', path],
    ]
    for (const [method, of, json] of calls) {
      const as = async (options: object) =>
        (await world.call(method, of, { json, ...options })).status
      expect([of, await as({ party: OTHER_PARTY })]).toEqual([of, 404])
      const scope = method === 'GET' ? 'webhook:write' : 'webhook:read'
      expect([of, await as({ scope })]).toEqual([of, 403])
    }
    const others = await world.call('GET', '/webhooks', { party: OTHER_PARTY })
    expect(others.json.items).toEqual([])
    expect((await post('/webhooks', { url: RECEIVER }, { scope: 'webhook:read' })).status).toBe(403)
    expect((await world.call('GET', path)).json).toMatchObject({ state: 'active' })
    expect(world.receiver.calls).toEqual([])
  })
})

describe('replay', () => {
  const told = async (json: object) => {
    const { id } = (await world.call('GET', '/webhooks')).json.items[0]
    const { length } = world.receiver.calls
    const answer = await post(`/webhooks/${id}/replay`, json)
    await world.deliver()
    return { status: answer.status, ids: world.receiver.calls.slice(length).map(idOf), id }
  }
  const idOf = ({ call }: (typeof world.receiver.calls)[number]) => call.headers['webhook-id']

  it('delivers again from an entry or a time on, under the same ids', async () => {
    await world.add({ url: RECEIVER, types: ['voucher-*'] })
    await world.log.append(anEntry())
    world.log.clock.advance(60_000)
    await world.log.append(anEntry(), anEntry())
    await world.deliver()
    const first = world.receiver.calls.map(idOf)
    expect((await told({ from_seq: 1 })).ids).toEqual(first)
    expect((await told({ from_seq: 3 })).ids).toEqual(first.slice(1))
    expect((await told({ since: '2026-01-02T03:05:05Z' })).ids).toEqual(first.slice(1))
    expect((await told({ since: '2026-01-02T05:00:00.000+01:00' })).ids).toEqual([])
    expect((await told({ from_seq: 1_000 })).ids).toEqual([])
    await world.log.append(anEntry())
    await world.deliver()
    expect(world.receiver.calls.at(-1)?.call.headers['webhook-id']).toMatch(/_10$/)
    expect((await world.log.entries()).at(-2)).toMatchObject({ type: 'webhook-replayed' })
  })

  it('says where it should begin', async () => {
    await world.add()
    for (const json of [
      {},
      { from_seq: 0 },
      { since: 'then' },
      { from_seq: 1, since: '2026-01-01T00:00:00Z' },
    ]) {
      expect([json, (await told(json)).status]).toEqual([json, 400])
    }
  })

  it('ends the wait after a failure', async () => {
    await world.add()
    await world.log.fill(1)
    world.receiver.answer = () => 500
    await world.deliver()
    world.receiver.answer = () => 200
    expect((await told({ from_seq: 2 })).ids).toHaveLength(2)
  })
})

describe('test', () => {
  it('sends something harmless, and says how it was answered', async () => {
    const { id } = await world.add()
    const path = `/webhooks/${id}/test`
    expect((await world.call('POST', path)).json).toEqual({ ok: true, status: 204, error: null })
    const { headers } = world.receiver.calls[0]!.call
    expect(headers['webhook-id']).toMatch(new RegExp(`^${id}_test_[0-9a-f]{16}$`))
    expect(world.receiver.bodies[0]).toMatchObject({ type: 'webhook-test', data: { webhook: id } })
    world.receiver.answer = () => 404
    expect((await world.call('POST', path)).json).toEqual({ ok: false, status: 404, error: null })
    world.receiver.answer = () => Promise.reject(new OutboundFailure('no answer'))
    const unanswered = { ok: false, status: null, error: 'no answer' }
    expect((await world.call('POST', path)).json).toEqual(unanswered)
    world.receiver.answer = () => Promise.reject(new Error('a bug'))
    expect((await world.call('POST', path)).status).toBe(500)
    expect(await typesInLog()).toEqual(['webhook-added'])
  })
})
