/**
 * Where vouchers are pushed to a party: POST …/api/v1/vouchers below the party's own address, and
 * /api/v1/inbox-tokens for those who let senders in.
 */
import { z } from '@hono/zod-openapi'
import { Hono } from 'hono'
import type { AppEnv } from '../../http/authenticate.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import { bearerOf, json, notLetIn, readBody } from '../answer.ts'
import { PUSH_ROOT, type PublicDoor } from '../public-door.ts'
import { readPush } from './multipart.ts'
import type { Inbox, Taken } from './service.ts'
import type { InboxTokenRow } from './store.ts'

/** A voucher, and some words around it. */
const MOST_BODY_BYTES = 128 * 1024

/** No route tells which parties there are: an unknown one has no tokens. */
export function inboxDoor(inbox: Inbox, door: PublicDoor): Hono<AppEnv> {
  return new Hono<AppEnv>().post(`/transfer/:party${PUSH_ROOT}`, (c) =>
    door.answerFor(c.req.param('party'), c.req.raw, c.env?.incoming, async (request) => {
      const party = c.req.param('party')
      const token = bearerOf(request.headers.get('authorization'))
      const sender = token === undefined ? undefined : await inbox.findSender(party, token)
      if (!sender) {
        door.countGuess(c.env?.incoming)
        throw notLetIn()
      }
      const body = await readBody(request, MOST_BODY_BYTES)
      const type = request.headers.get('content-type') ?? ''
      const { voucher } = await readPush(body, type)
      return json(200, viewOf(await inbox.take(party, voucher, sender)))
    }),
  )
}

function viewOf({ guid, at, receipt }: Taken) {
  const message = 'voucher verified and taken in'
  const answer = { status: 'accepted', voucher_id: guid, message, timestamp: at }
  return receipt === null ? answer : { ...answer, receipt }
}

const InboxToken = z
  .object({
    id: z.string(),
    name: z.string(),
    created_at: z.string(),
    revoked_at: z.string().nullable(),
  })
  .openapi('InboxToken')

const TokenParam = z.object({ id: z.string().max(64) })

export function inboxTokenRoutes(inbox: Inbox): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/inbox-tokens',
      summary: 'List the tokens by which vouchers may be pushed here, those revoked too',
      permission: 'inbox:read',
      query: PageQuery,
      result: pageOf(InboxToken),
      async handle({ query: { limit, cursor }, principal }) {
        const rows = await inbox.listTokens(principal.party, limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ id }) => id, tokenView)
      },
    }),
    route({
      method: 'post',
      path: '/inbox-tokens',
      summary: 'Let a sender push vouchers here; the token is shown this once',
      permission: 'inbox:write',
      body: z.strictObject({ name: z.string().min(1).max(100) }),
      result: InboxToken.extend({ token: z.string() }),
      status: 201,
      async handle({ body: { name }, principal }) {
        const { row, token } = await inbox.createToken(name, principal)
        return { ...tokenView(row), token }
      },
    }),
    route({
      method: 'get',
      path: '/inbox-tokens/{id}',
      summary: 'A token by which vouchers may be pushed here, but for its text',
      permission: 'inbox:read',
      params: TokenParam,
      result: InboxToken,
      handle: async ({ params: { id }, principal: { party } }) =>
        tokenView(await inbox.findToken(party, id)),
    }),
    route({
      method: 'delete',
      path: '/inbox-tokens/{id}',
      summary: 'Take no more vouchers by a token',
      permission: 'inbox:write',
      params: TokenParam,
      handle: ({ params, principal }) => inbox.revokeToken(params.id, principal),
    }),
  ]
}

function tokenView({ id, name, created_at, revoked_at }: InboxTokenRow) {
  return { id, name, created_at, revoked_at }
}
