/** Rates, scopes and problems. */
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { HTTPException } from 'hono/http-exception'
import { describe, expect, it } from 'vitest'
import { FdoError } from '../../../../protocol/errors.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { createApp } from '../../../../src/http/app.ts'
import {
  PERMISSIONS,
  type Permission,
  SCOPES,
  permissionsOf,
  scopesWithin,
} from '../../../../src/http/permissions.ts'
import { problemOf } from '../../../../src/http/problem.ts'
import { DatabaseUnavailable } from '../../../../src/database/unavailable.ts'
import { RateLimit } from '../../../../src/http/rate-limit.ts'
import { route } from '../../../../src/http/route.ts'
import { Load } from '../../../../src/load.ts'
import { createLog, silentLog } from '../../../../src/log.ts'

describe('a rate limit', () => {
  it('lets through a burst, then as many as its rate', () => {
    const clock = new FakeClock()
    const limit = new RateLimit({ perSecond: 2, burst: 3 }, clock)
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 1])
    expect(limit.take('b')).toBe(0)
    clock.advance(500)
    expect([1, 2].map(() => limit.take('a'))).toEqual([0, 1])
    clock.advance(60_000)
    expect([1, 2, 3, 4].map(() => limit.take('a'))).toEqual([0, 0, 0, 1])
  })

  it('takes no harm from a clock set back', () => {
    const clock = new FakeClock()
    const limit = new RateLimit({ perSecond: 1, burst: 2 }, clock)
    limit.take('a')
    clock.advance(-60_000)
    expect([1, 2].map(() => limit.take('a'))).toEqual([0, 1])
  })

  it('remembers no more names than it must', () => {
    const limit = new RateLimit({ perSecond: 1, burst: 1 }, new FakeClock())
    for (let i = 0; i < 10_001; i++) limit.take(`source ${i}`)
    expect(limit.take('source 10000')).toBe(1)
    expect(limit.take('source 0')).toBe(0)
  })
})

describe('a caller', () => {
  it('does not use up what one of the same id may do for another party', async () => {
    const app = createApp({
      ...{
        log: silentLog,
        clock: new FakeClock(),
        trustedProxies: { addresses: [] },
        others: [],
        routes: [],
      },
      findPrincipal: async (party) => ({
        ...{ id: 'same', name: 'same', kind: 'operator', party },
        permissions: new Set(),
      }),
      isReady: async () => true,
      metrics: { text: async () => '' },
    })
    const call = async (party: string) => {
      const headers = { authorization: `Bearer ${party}` }
      return (await app.request('/api/v1/nothing', { headers })).status
    }
    for (let i = 0; i < 2_000; i++) await call('one')
    expect([await call('one'), await call('two')]).toEqual([429, 404])
  })
})

describe('under load', () => {
  it('callers of the management API are put off before anything is looked up', async () => {
    const load = new Load()
    let lookedUp = 0
    const app = createApp({
      ...{ log: silentLog, clock: new FakeClock(), trustedProxies: { addresses: [] }, load },
      ...{ others: [], routes: [] },
      findPrincipal: async () => {
        lookedUp++
        return undefined
      },
      isReady: async () => true,
      metrics: { text: async () => '' },
    })
    for (let i = 0; i < 4; i++) load.note(1_000)
    const headers = { authorization: 'Bearer any' }
    const answer = await app.request('/api/v1/nothing', { headers })
    expect(answer.status).toBe(503)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(1)
    expect(await answer.json()).toMatchObject({ code: 'unavailable' })
    expect(lookedUp).toBe(0)
    expect((await app.request('/health/ready')).status).toBe(200)
    load.note(0)
    expect((await app.request('/api/v1/nothing', { headers })).status).toBe(401)
  })
})

describe('scopes', () => {
  it('are permissions or bundles of them', () => {
    expect(permissionsOf(['admin'])).toEqual(new Set(PERMISSIONS))
    expect(permissionsOf(['voucher:read', 'key:read'])).toEqual(
      new Set(['voucher:read', 'key:read']),
    )
    for (const scope of SCOPES) expect(permissionsOf([scope])?.size).toBeGreaterThan(0)
  })

  it('are roles of people, of whom none but the administrator says who may call', () => {
    const may = (role: string, permission: Permission) => permissionsOf([role])?.has(permission)
    for (const role of ['supply-chain-operator', 'fleet-operator', 'auditor']) {
      for (const permission of [
        'token:create',
        'client:write',
        'identity-provider:write',
      ] as const) {
        expect(may('administrator', permission)).toBe(true)
        expect(may(role, permission), `${role} ${permission}`).toBe(false)
      }
    }
    expect(may('supply-chain-operator', 'voucher:sell')).toBe(true)
    expect(may('supply-chain-operator', 'device:write')).toBe(false)
    expect(may('fleet-operator', 'device:write')).toBe(true)
    expect(may('fleet-operator', 'voucher:sell')).toBe(false)
    const auditor = [...(permissionsOf(['auditor']) ?? [])]
    expect(auditor.filter((permission) => !permission.endsWith(':read'))).toEqual([])
  })

  it('are known by what they are less than', () => {
    const within = scopesWithin(
      new Set([
        ...(['voucher:read', 'voucher:export', 'device:read'] as const),
        ...(['rendezvous-info:read', 'order:read'] as const),
      ]),
    )
    expect(within).toContain('factory')
    expect(within).toContain('voucher:read')
    expect(within).not.toContain('read')
  })

  it('are all known, or none count', () => {
    expect(permissionsOf(['voucher:read', 'voucher:fly'])).toBeUndefined()
    expect(permissionsOf(['constructor'])).toBeUndefined()
    expect(permissionsOf([''])).toBeUndefined()
  })
})

describe('an error', () => {
  it('keeps its code where we threw it, and its text where it is a bug', () => {
    expect(problemOf(new FdoError('MESSAGE_BODY_ERROR', 'why')).code).toBe('invalid-request')
    expect(problemOf(new HTTPException(415)).code).toBe('unsupported-media-type')
    expect(problemOf(new HTTPException(418)).code).toBe('invalid-request')
    expect(problemOf(new Error('secret'))).toMatchObject({ code: 'internal-error', message: '' })
    expect(problemOf(Object.assign(new Error('secret'), { code: 'ENOSPC' }))).toMatchObject({
      code: 'unavailable',
      message: 'the disk of the data folder is full: nothing was changed',
    })
    expect(problemOf(new DatabaseUnavailable({ cause: new Error('secret') }))).toMatchObject({
      code: 'unavailable',
      message: expect.not.stringContaining('secret'),
      headers: { 'retry-after': '5' },
    })
  })

  it('that is a bug shows in the log, and its text stays there', async () => {
    const lines: string[] = []
    const log = createLog('info', { write: (line) => void lines.push(line) })
    const fail = route({
      method: 'get',
      path: '/fail',
      summary: 'Fails',
      permission: 'key:read',
      handle() {
        throw new Error('a secret text')
      },
    })
    const permissions = new Set(PERMISSIONS)
    const app = createApp({
      log,
      clock: new FakeClock(),
      trustedProxies: { addresses: [] },
      findPrincipal: async () => ({
        id: 'me',
        name: 'me',
        kind: 'token',
        party: HOME_PARTY,
        permissions,
      }),
      isReady: async () => false,
      metrics: { text: async () => '' },
      routes: [fail],
      others: [],
    })
    const response = await app.request('/api/v1/fail', { headers: { authorization: 'Bearer x' } })
    expect(response.status).toBe(500)
    const problem = (await response.json()) as { instance: string }
    expect(JSON.stringify(problem)).not.toContain('secret')
    const id = problem.instance.split(':').at(-1)
    const line = lines.find((one) => one.includes('a secret text'))
    expect(JSON.parse(line ?? '{}')).toMatchObject({ level: 'error', request: id })
    expect((await app.request('/health/ready')).status).toBe(503)
  })
})

describe('the log', () => {
  it('shows no secret, at the top or one level down', () => {
    const lines: string[] = []
    const log = createLog('debug', { write: (line) => void lines.push(line) })
    log.info({ token: 's3cret', request: { authorization: 's3cret', path: '/' } }, 'said')
    log.info({ req: { headers: { authorization: 's3cret' } }, key: { pkcs8: 's3cret' } }, 'said')
    expect(lines).toHaveLength(2)
    expect(lines.join()).not.toContain('s3cret')
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', msg: 'said' })
    silentLog.error('nothing')
  })
})
