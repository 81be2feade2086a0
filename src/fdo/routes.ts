/**
 * /fdo/101/msg/N as a route: what is no message for a role served here is told so. The messages
 * themselves hardly ever come this way, see FdoHttp.take.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { AppEnv } from '../http/authenticate.ts'
import { type FdoHttp, MESSAGE_PATH } from './http.ts'

export function fdoRoutes(fdo: FdoHttp): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.all(`${MESSAGE_PATH}:number{[0-9]{1,3}}`, async (c) => {
    const number = Number(c.req.param('number'))
    if (!fdo.serves(number)) return c.notFound()
    if (c.req.method !== 'POST') {
      return c.body(null, 405, { allow: 'POST' })
    }
    const { incoming, outgoing } = c.env
    if (!incoming || !outgoing) throw new Error('FDO is served over sockets only')
    await fdo.answer(number, incoming as IncomingMessage, outgoing as ServerResponse)
    return RESPONSE_ALREADY_SENT
  })
  return app
}
