/** Query parameters that no endpoint has. */
import { z } from '@hono/zod-openapi'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createApp } from '../../../../src/http/app.ts'
import { PageQuery, route } from '../../../../src/http/route.ts'
import { silentLog } from '../../../../src/log.ts'

const asked: unknown[] = []
const list = { permission: 'voucher:read', summary: 'Things', result: z.unknown() } as const
const app = createApp({
  ...{ log: silentLog, clock: new FakeClock(), trustedProxies: { addresses: [] }, others: [] },
  findPrincipal: async (token) => ({
    ...{ id: token, name: 'me', kind: 'token', party: HOME_PARTY },
    permissions: new Set(token === 'reader' ? (['voucher:read'] as const) : []),
  }),
  isReady: async () => true,
  metrics: { text: async () => '' },
  routes: [
    route({
      ...{ ...list, method: 'get', path: '/things' },
      query: PageQuery.extend({ state: z.enum(['held', 'sold']).optional() }),
      handle: ({ query }) => asked.push(query),
    }),
    route({ ...list, method: 'delete', path: '/things', handle: () => asked.push('delete') }),
  ],
})
async function call(query: string, method = 'GET', token = 'reader') {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await app.request(`/api/v1/things${query}`, { method, headers })
  const { code, detail } = (await answer.json()) as Record<string, string>
  return { status: answer.status, code, detail }
}

describe('a query parameter', () => {
  it('that is not known is refused, with those that are', async () => {
    expect(await call('?stat=held')).toEqual({
      ...{ status: 400, code: 'invalid-request' },
      detail: '?stat=: there is no such query parameter here: it takes limit, cursor, state',
    })
    expect(await call('?state=held&State=held')).toMatchObject({ status: 400 })
    expect(asked).toEqual([])
    expect(await call('?state=held&limit=2')).toMatchObject({ status: 200 })
    expect(asked.splice(0)).toEqual([{ limit: 2, state: 'held' }])
  })

  it('is refused where there are none, so that no filter seems to narrow a deletion', async () => {
    expect(await call('?state=held', 'DELETE')).toMatchObject({
      ...{ status: 400, detail: '?state=: there is no such query parameter here: it takes none' },
    })
    expect(asked).toEqual([])
    expect(await call('', 'DELETE')).toMatchObject({ status: 200 })
    expect(asked.splice(0)).toEqual(['delete'])
  })

  it('is nothing that one without the permission is told of', async () => {
    expect(await call('?stat=held', 'GET', 'stranger')).toMatchObject({ status: 403 })
  })

  it('given twice is refused', async () => {
    expect(await call('?state=held&state=sold')).toMatchObject({ status: 400 })
  })

  it('of any name but those known is refused', async () => {
    const names = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 })
    await fc.assert(
      fc.asyncProperty(names, async (name) => {
        fc.pre(!['limit', 'cursor', 'state'].includes(name))
        expect((await call(`?${encodeURIComponent(name)}`)).status).toBe(400)
        expect((await call(`?limit=1&${encodeURIComponent(name)}=1`)).status).toBe(400)
      }),
      { numRuns: 50 },
    )
    expect(asked).toEqual([])
  })
})
