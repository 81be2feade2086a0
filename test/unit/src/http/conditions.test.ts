/** Changes on a condition, requests that come twice, and methods that are not taken. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { z } from '@hono/zod-openapi'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createApp } from '../../../../src/http/app.ts'
import { Idempotency } from '../../../../src/http/idempotency/service.ts'
import { PERMISSIONS } from '../../../../src/http/permissions.ts'
import { Problem } from '../../../../src/http/problem.ts'
import { type Route, route } from '../../../../src/http/route.ts'
import { silentLog } from '../../../../src/log.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { findSetting, storeSetting } from '../../../../src/settings/store.ts'

const sealer = new Sealer(new Uint8Array(32).fill(7))
let clock: FakeClock
let database: Database
/** What a POST does once its effect is committed: here the process may die. */
let afterEffect: () => Promise<void>
/** What it does before. */
let beforeEffect: () => Promise<void>
/** What a PUT does before. */
let beforeChange: () => Promise<void>

beforeEach(async () => {
  clock = new FakeClock()
  database = await openDatabase(':memory:')
  afterEffect = async () => {}
  beforeEffect = async () => {}
  beforeChange = async () => {}
})
afterEach(() => database.close())

const about = { summary: 'A thing', permission: 'key:read' } as const
const Thing = z.object({ value: z.string() })
const params = z.object({ name: z.string().regex(/^[a-z]+$/) })

async function valueOf(name: string): Promise<string> {
  const row = await findSetting.first(database.db, { party: HOME_PARTY, name })
  if (!row) throw new Problem('not-found', 'no such thing')
  return JSON.parse(row.value) as string
}

const store = (name: string, value: string) =>
  database.commit((tx) =>
    storeSetting(tx, { party: HOME_PARTY, name }, JSON.stringify(value), 'now'),
  )

const things: readonly Route[] = [
  route({
    ...about,
    method: 'get',
    path: '/things/{name}',
    params,
    query: z.object({ loud: z.coerce.boolean().default(false) }),
    result: Thing,
    handle: async ({ params: { name } }) => ({ value: await valueOf(name) }),
  }),
  route({
    ...about,
    method: 'put',
    path: '/things/{name}',
    params,
    body: Thing,
    result: Thing,
    async handle({ params: { name }, body }) {
      await nextTurn()
      await beforeChange()
      await store(name, body.value)
      return body
    },
  }),
  route({
    ...about,
    method: 'post',
    path: '/things',
    body: Thing,
    result: Thing,
    status: 201,
    async handle({ body: { value } }) {
      if (value === 'bad') throw new Problem('conflict', 'no')
      await beforeEffect()
      const made = await database.commit(async (tx) => {
        const row = await findSetting.first(tx, { party: HOME_PARTY, name: 'made' })
        const next = `${row ? JSON.parse(row.value) : ''}${value}`
        await storeSetting(tx, { party: HOME_PARTY, name: 'made' }, JSON.stringify(next), 'now')
        return next
      })
      await afterEffect()
      return { value: made }
    },
  }),
  route({ ...about, method: 'delete', path: '/gone/{name}', params, handle: async () => {} }),
]

/** Each token is the name of the party for whom its bearer acts. */
function appFor(id = 'fdoa_1', idempotency: Idempotency | null = keys()) {
  const app = createApp({
    log: silentLog,
    clock,
    trustedProxies: { addresses: [] },
    findPrincipal: async (party) => ({
      ...{ id, name: id, kind: 'token', party },
      permissions: new Set(PERMISSIONS),
    }),
    isReady: async () => true,
    metrics: { text: async () => '' },
    ...(idempotency && { idempotency }),
    routes: things,
    others: [],
  })
  return async (method: string, path: string, headers: object = {}, json?: unknown) => {
    const response = await app.request(`/api/v1${path}`, {
      method,
      headers: {
        ...{ authorization: `Bearer ${HOME_PARTY}`, 'content-type': 'application/json' },
        ...headers,
      },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    const body = text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>)
    return { status: response.status, headers: response.headers, body }
  }
}

const keys = () => new Idempotency({ database, clock, sealer })
/** Of a process whose time stands still: it has died, or hangs. */
const stuck = () => new Idempotency({ database, clock: new FakeClock(), sealer })
const made = () => valueOf('made').catch(() => '')

describe('an ETag', () => {
  it('names what a GET gives, as long as that stays the same', async () => {
    const call = appFor()
    await store('a', 'one')
    const first = await call('GET', '/things/a')
    const etag = first.headers.get('etag') ?? ''
    expect(etag).toMatch(/^"[\w-]{22}"$/)
    expect((await call('GET', '/things/a')).headers.get('etag')).toBe(etag)
    await store('a', 'two')
    expect((await call('GET', '/things/a')).headers.get('etag')).not.toBe(etag)
  })

  it('spares the answer who has it already', async () => {
    const call = appFor()
    await store('a', 'one')
    const etag = (await call('GET', '/things/a')).headers.get('etag') ?? ''
    for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
      const { status, body, headers } = await call('GET', '/things/a', { 'if-none-match': known })
      expect([status, body, headers.get('etag')]).toEqual([304, undefined, etag])
    }
    expect((await call('GET', '/things/a', { 'if-none-match': '"x"' })).status).toBe(200)
  })

  it('is a condition that a change can be made on', async () => {
    const call = appFor()
    await store('a', 'one')
    const etag = (await call('GET', '/things/a')).headers.get('etag') ?? ''
    const put = (value: string, match: string) =>
      call('PUT', '/things/a', { 'if-match': match }, { value })
    expect((await put('two', '"x"')).status).toBe(412)
    expect((await put('two', `W/${etag}`)).status).toBe(412)
    expect(await valueOf('a')).toBe('one')
    expect((await put('two', etag)).status).toBe(200)
    const late = await put('three', etag)
    expect(late).toMatchObject({ status: 412, body: { code: 'precondition-failed' } })
    const now = await call('GET', '/things/a')
    expect(late.headers.get('etag')).toBe(now.headers.get('etag'))
    expect((await put('four', '*')).status).toBe(200)
    expect((await call('PUT', '/things/b', { 'if-match': '*' }, { value: 'x' })).status).toBe(404)
  })

  it('lets one of two changes through that come at once', async () => {
    const call = appFor()
    await store('a', 'one')
    const etag = (await call('GET', '/things/a')).headers.get('etag')
    const answers = await Promise.all(
      ['two', 'three'].map((value) => call('PUT', '/things/a', { 'if-match': etag }, { value })),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412])
  })

  it('lets no party wait for the changes of another, nor too many wait at all', async () => {
    let go = () => {}
    beforeChange = () => new Promise((resolve) => (go = resolve))
    const call = appFor()
    const put = (party: string) =>
      call('PUT', '/things/a', { authorization: `Bearer ${party}` }, { value: 'x' })
    const many = Array.from({ length: 101 }, () => put('fdop_one'))
    const last = await put('fdop_one')
    expect(last).toMatchObject({ status: 429, body: { code: 'too-many-requests' } })
    expect(last.headers.get('retry-after')).toBe('1')
    beforeChange = async () => {}
    expect((await put('fdop_other')).status).toBe(200)
    go()
    for (const { status } of await Promise.all(many)) expect(status).toBe(200)
    expect((await put('fdop_one')).status).toBe(200)
  })

  it('is not to be had of what no GET gives', async () => {
    expect((await appFor()('DELETE', '/gone/a', { 'if-match': '*' })).status).toBe(412)
    expect((await appFor()('DELETE', '/gone/a')).status).toBe(204)
  })
})

/** A POST that has begun goes on to its effect when it is told to. */
function held() {
  let go = () => {}
  const gone = new Promise<void>((resolve) => (go = resolve))
  const begun = new Promise<void>((resolve) => {
    beforeEffect = () => {
      resolve()
      return gone
    }
  })
  return { go, begun }
}

describe('an Idempotency-Key', () => {
  const post = (call: ReturnType<typeof appFor>, key: string, value = 'x', headers = {}) =>
    call('POST', '/things', { 'idempotency-key': key, ...headers }, { value })

  it('gives a repeat the same answer, and no second effect', async () => {
    const call = appFor()
    const first = await post(call, 'k')
    const again = await post(call, 'k')
    expect(first).toMatchObject({ status: 201, body: { value: 'x' } })
    expect([again.status, again.body]).toEqual([first.status, first.body])
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(await made()).toBe('x')
    await post(call, 'other')
    expect(await made()).toBe('xx')
  })

  it('is good for one request only', async () => {
    const call = appFor()
    await post(call, 'k')
    expect(await post(call, 'k', 'y')).toMatchObject({
      status: 422,
      body: { code: 'idempotency-key-reused' },
    })
  })

  it('is the caller’s own', async () => {
    await post(appFor('fdoa_1'), 'k')
    expect(await post(appFor('fdoa_2'), 'k', 'y')).toMatchObject({ body: { value: 'xy' } })
  })

  it('is the party’s own, whatever ids it gives its callers', async () => {
    const call = appFor()
    await post(call, 'k')
    const other = await post(call, 'k', 'y', { authorization: 'Bearer fdop_other' })
    expect(other).toMatchObject({ status: 201, body: { value: 'xy' } })
  })

  it('may be used again where the request was refused', async () => {
    const call = appFor()
    expect((await post(call, 'k', 'bad')).status).toBe(409)
    expect((await post(call, 'k', 'x')).status).toBe(201)
  })

  it('of a request under way is answered so', async () => {
    const { go, begun } = held()
    const call = appFor()
    const first = post(call, 'k')
    await begun
    const second = await post(call, 'k')
    expect(second.body).toMatchObject({ code: 'in-progress' })
    expect(second.headers.get('retry-after')).toBe('30')
    go()
    expect((await first).status).toBe(201)
    expect((await post(call, 'k')).status).toBe(201)
    expect(await made()).toBe('x')
  })

  it('whose process died before the effect is carried out by the repeat', async () => {
    const { begun } = held()
    void post(appFor('fdoa_1', stuck()), 'k')
    const call = appFor()
    await begun
    expect((await post(call, 'k')).status).toBe(409)
    beforeEffect = async () => {}
    clock.advance(29_000)
    expect((await post(call, 'k')).status).toBe(409)
    clock.advance(2_000)
    expect((await post(call, 'k')).status).toBe(201)
    expect(await made()).toBe('x')
  })

  it('whose process died after the effect says so, and does it no second time', async () => {
    afterEffect = () => new Promise(() => {})
    void post(appFor('fdoa_1', stuck()), 'k')
    await expect.poll(made).toBe('x')
    clock.advance(31_000)
    expect(await post(appFor(), 'k')).toMatchObject({ status: 409, body: { code: 'answer-lost' } })
    expect(await made()).toBe('x')
  })

  it('taken over from one that is only slow keeps that one from having an effect', async () => {
    const { go, begun } = held()
    const slow = post(appFor('fdoa_1', stuck()), 'k')
    await begun
    expect((await post(appFor(), 'k')).status).toBe(409)
    clock.advance(31_000)
    beforeEffect = async () => {}
    expect((await post(appFor(), 'k')).status).toBe(201)
    go()
    expect((await slow).body).toMatchObject({ code: 'in-progress' })
    expect(await made()).toBe('x')
    expect((await post(appFor(), 'k')).status).toBe(201)
  })

  it('of a request that failed may be used again, unless it had an effect', async () => {
    beforeEffect = async () => {
      throw new Error('a bug')
    }
    expect((await post(appFor(), 'a')).status).toBe(500)
    beforeEffect = async () => {}
    expect((await post(appFor(), 'a')).status).toBe(201)
    afterEffect = async () => {
      throw new Error('a bug')
    }
    expect((await post(appFor(), 'b')).status).toBe(500)
    clock.advance(31_000)
    expect((await post(appFor(), 'b')).body).toMatchObject({ code: 'answer-lost' })
    expect(await made()).toBe('xx')
  })

  it('is nothing to a loop that the request started and left running', async () => {
    let wake = () => {}
    let committed: Promise<unknown> = Promise.resolve()
    const woken = new Promise<void>((resolve) => (wake = resolve))
    afterEffect = async () => {
      committed = woken.then(() => store('looped', 'on'))
    }
    expect((await post(appFor(), 'k')).status).toBe(201)
    wake()
    await committed
    expect(await valueOf('looped')).toBe('on')
  })

  it('is forgotten after a day', async () => {
    const idempotency = keys()
    const call = appFor('fdoa_1', idempotency)
    await post(call, 'k')
    clock.advance(23 * 3_600_000)
    await idempotency.sweep()
    await post(call, 'k')
    expect(await made()).toBe('x')
    clock.advance(3_600_000)
    await post(call, 'k')
    expect(await made()).toBe('xx')
    clock.advance(25 * 3_600_000)
    await idempotency.sweep()
    const left = await database.db.selectFrom('idempotency').selectAll().execute()
    expect(left).toEqual([])
  })

  it('keeps answers sealed', async () => {
    await post(appFor(), 'k', 'a-secret')
    const [row] = await database.db.selectFrom('idempotency').selectAll().execute()
    expect(Buffer.from(row?.answer ?? []).toString('latin1')).not.toContain('a-secret')
    const sealed = { answer: new Uint8Array(40) }
    await database.db.updateTable('idempotency').set(sealed).execute()
    expect((await post(appFor(), 'k', 'a-secret')).body).toMatchObject({ code: 'answer-lost' })
  })

  it('is a short word', async () => {
    for (const key of ['', 'a b', 'x'.repeat(256), 'ü']) {
      expect([key, (await post(appFor(), key)).status]).toEqual([key, 400])
    }
    expect((await post(appFor(), 'x'.repeat(255))).status).toBe(201)
  })

  it('is refused where none can be kept', async () => {
    expect((await post(appFor('fdoa_1', null), 'k')).status).toBe(503)
  })
})

describe('a method', () => {
  it('that a path does not take is told which it does', async () => {
    const call = appFor()
    const { status, headers, body } = await call('POST', '/things/a', {}, {})
    expect([status, body?.['code']]).toEqual([405, 'method-not-allowed'])
    expect(headers.get('allow')).toBe('GET, HEAD, PUT')
    const other = await call('PATCH', '/things', {}, {})
    expect([other.status, other.headers.get('allow')]).toEqual([405, 'POST'])
    expect((await call('OPTIONS', '/things')).status).toBe(405)
    expect((await call('POST', '/nothing')).status).toBe(404)
  })

  it('HEAD gives what GET gives, but for the document', async () => {
    const call = appFor()
    await store('a', 'one')
    const get = await call('GET', '/things/a')
    const head = await call('HEAD', '/things/a')
    expect([head.status, head.body]).toEqual([200, undefined])
    expect(head.headers.get('etag')).toBe(get.headers.get('etag'))
  })
})
