/** Who tries one wrong token after the other. */
import { Hono } from 'hono'
import { expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { type AppEnv, authenticate } from '../../../../src/http/authenticate.ts'
import { problemOf } from '../../../../src/http/problem.ts'
import { HERE } from '../../../../src/http/source.ts'

it('is slowed down by the network it comes from, whichever of its addresses that is', async () => {
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('source', { ...HERE, address: c.req.header('from') ?? '' })
      await next()
    })
    .use(authenticate(async () => undefined, new FakeClock()))
    .onError((error, c) => c.text(problemOf(error).code, 400))
  const guess = async (from: string) => {
    const headers = { from, authorization: 'Bearer wrong' }
    return (await app.request('/', { headers })).text()
  }
  for (let i = 0; i < 300; i++) expect(await guess(`2001:db8::${i}`)).toBe('not-authenticated')
  expect(await guess('2001:db8::cafe')).toBe('too-many-requests')
  expect(await guess('2001:db8:0:1::1')).toBe('not-authenticated')
})
