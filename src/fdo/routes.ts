/**
 * POST /fdo/101/msg/N, the whole of FDO's HTTP transport, for every role at once. On Node's own
 * request and response: fetch's would cost as much again as everything else here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import type { Bytes } from '../../protocol/bytes.ts'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Ranges } from '../addresses.ts'
import type { AppEnv } from '../http/authenticate.ts'
import { IncomingSource } from '../http/source.ts'
import type { Exchange, FdoAnswer } from './exchange.ts'

/** FDO 1.1: no message is longer, on any transport. */
const MOST_MESSAGE_BYTES = 65_535
/** In which a message must have come. */
const SLOWEST_BODY_MS = 15_000
/** What is still read of a message refused for its length, so that its sender sees the answer. */
const MOST_DISCARDED_BYTES = 1 << 20

export interface FdoRoutesServices {
  readonly exchange: Exchange
  readonly trustedProxies: Ranges
  readonly slowestBodyMs?: number
}

export function fdoRoutes(services: FdoRoutesServices): Hono<AppEnv> {
  const { exchange, trustedProxies, slowestBodyMs = SLOWEST_BODY_MS } = services
  const app = new Hono<AppEnv>()
  app.all('/fdo/101/msg/:number{[0-9]{1,3}}', async (c) => {
    const number = Number(c.req.param('number'))
    if (!exchange.serves(number)) return c.notFound()
    if (c.req.method !== 'POST') {
      return c.body(null, 405, { allow: 'POST' })
    }
    const { incoming, outgoing } = c.env
    if (!incoming || !outgoing) throw new Error('FDO is served over sockets only')
    const source = new IncomingSource(incoming as IncomingMessage, trustedProxies)
    const { authorization } = incoming.headers
    send(outgoing as ServerResponse, await answer())
    return RESPONSE_ALREADY_SENT

    async function answer(): Promise<FdoAnswer> {
      let bytes: Bytes
      try {
        bytes = await readMessage(incoming as IncomingMessage, slowestBodyMs)
      } catch (error) {
        discardRest(incoming as IncomingMessage, slowestBodyMs)
        return exchange.refuse(error, number, source)
      }
      return exchange.answer({ number, bytes, authorization, source })
    }
  })
  return app
}

/** Throws MESSAGE_BODY_ERROR for what is no message by its length, its type or its slowness. */
async function readMessage(incoming: IncomingMessage, slowestBodyMs: number): Promise<Bytes> {
  const { headers } = incoming
  const type = headers['content-type']
  if (Number(headers['content-length'] ?? 0) > MOST_MESSAGE_BYTES) throw refused('too long')
  if (type !== undefined && !/^application\/cbor\b/i.test(type)) throw refused(`of type ${type}`)
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let length = 0
    const timer = setTimeout(() => stop('too slow'), slowestBodyMs)
    const settle = () => {
      clearTimeout(timer)
      incoming.off('data', add).off('end', finish).off('close', abandon)
    }
    const stop = (reason: string) => {
      settle()
      reject(refused(reason))
    }
    const add = (part: Buffer) => {
      length += part.length
      parts.push(part)
      if (length > MOST_MESSAGE_BYTES) stop('too long')
    }
    const finish = () => {
      settle()
      resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts))
    }
    const abandon = () => stop('broken off')
    incoming.on('data', add).on('end', finish).on('close', abandon)
  })
}

/** Lets go what is still sent of a refused body, and the connection if that is much or slow. */
function discardRest(incoming: IncomingMessage, slowestBodyMs: number): void {
  if (incoming.complete || incoming.destroyed) return
  let discarded = 0
  const hangUp = () => incoming.socket.destroy()
  const timer = setTimeout(hangUp, slowestBodyMs)
  incoming.on('close', () => clearTimeout(timer))
  incoming.on('data', (part: Buffer) => {
    discarded += part.length
    if (discarded > MOST_DISCARDED_BYTES) hangUp()
  })
  incoming.resume()
}

function refused(reason: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `a body ${reason}`)
}

/** Clients need Content-Length, and do not read a chunked or compressed answer. */
function send(outgoing: ServerResponse, { message, authorization }: FdoAnswer): void {
  if (!message) {
    outgoing.writeHead(200, { 'Content-Length': 0 }).end()
    return
  }
  const { number, bytes } = message
  outgoing.writeHead(number === ERROR_MESSAGE ? 500 : 200, [
    ...(authorization ? ['Authorization', authorization] : []),
    ...['Content-Type', 'application/cbor', 'Content-Length', String(bytes.length)],
    ...['Message-Type', String(number)],
  ])
  outgoing.end(bytes)
}
