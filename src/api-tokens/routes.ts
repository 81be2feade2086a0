/** /api/v1/tokens: tokens of the management API. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { ApiTokens } from './service.ts'
import type { ApiTokenRow } from './store.ts'

const ApiToken = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(z.string()),
    created_at: z.string(),
    first_used_at: z.string().nullable(),
    expires_at: z.string().nullable(),
    revoked_at: z.string().nullable(),
  })
  .openapi('ApiToken')

const NewApiToken = z.strictObject({
  name: z.string().min(1).max(100),
  scopes: z.array(z.string().min(1)).min(1).max(200),
  ttl_seconds: z
    .number()
    .int()
    .min(1)
    .max(10 * 366 * 86_400)
    .optional(),
})

const params = z.object({ id: z.string() })

export function apiTokenRoutes(apiTokens: ApiTokens): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/tokens',
      summary: 'List the tokens of this API, those revoked and expired too',
      permission: 'token:read',
      query: PageQuery,
      result: pageOf(ApiToken),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const page = { party, limit: limit + 1, after: positionOf(cursor) }
        const rows = await apiTokens.list(page)
        return pageFrom(rows, limit, ({ id }) => id, toView)
      },
    }),
    route({
      method: 'post',
      path: '/tokens',
      summary: 'Make a token; its text is shown this once',
      permission: 'token:create',
      body: NewApiToken,
      result: ApiToken.extend({ token: z.string() }),
      status: 201,
      async handle({ body: { name, scopes, ttl_seconds }, principal }) {
        const wanted = { name, scopes, ttlSeconds: ttl_seconds }
        const { row, token } = await apiTokens.create(wanted, principal)
        return { ...toView(row), token }
      },
    }),
    route({
      method: 'get',
      path: '/tokens/{id}',
      summary: 'A token of this API, but for its text',
      permission: 'token:read',
      params,
      result: ApiToken,
      handle: async ({ params: { id }, principal: { party } }) =>
        toView(await apiTokens.find(party, id)),
    }),
    route({
      method: 'delete',
      path: '/tokens/{id}',
      summary: 'Make a token worthless at once',
      permission: 'token:revoke',
      params,
      async handle({ params, principal }) {
        await apiTokens.revoke(params.id, principal)
      },
    }),
  ]
}

function toView({ id, name, scopes, ...times }: ApiTokenRow) {
  const { created_at, first_used_at, expires_at, revoked_at } = times
  const list = scopes.split(' ')
  return { id, name, scopes: list, created_at, first_used_at, expires_at, revoked_at }
}
