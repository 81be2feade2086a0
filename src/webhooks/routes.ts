/** /api/v1/webhooks: who is told of what happens in the caller's log. */
import { z } from '@hono/zod-openapi'
import { ENTRY_TYPES } from '../audit/types.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { WebhookState, Webhooks } from './service.ts'

const Webhook = z
  .object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    state: z.enum(['active', 'disabled']),
    cursor: z.number().int(),
    pending: z.number().int(),
    attempts: z.number().int(),
    failing_since: z.string().nullable(),
    last_error: z.string().nullable(),
    next_at: z.string(),
    last_delivered_at: z.string().nullable(),
    created_at: z.string(),
  })
  .openapi('Webhook')

const Url = z.url({ protocol: /^https?$/ }).max(2_048)
const Type = z
  .string()
  .regex(/^([a-z0-9-]{1,63}\*?|\*)$/, 'a type, a beginning before *, or *')
  .refine(isOfSome, 'no entry is of such a type: GET /audit says which there are')
const Types = z.array(Type).min(1).max(50)

const params = z.object({ id: z.string() })

/** One that is misspelt would never be told of anything. */
function isOfSome(wanted: string): boolean {
  const begin = wanted.replace(/\*$/, '')
  const types = Object.keys(ENTRY_TYPES)
  return types.some((type) => (begin === wanted ? type === wanted : type.startsWith(begin)))
}

export function webhookRoutes(webhooks: Webhooks): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/webhooks',
      summary: 'List the webhooks, how far each has got and what went wrong',
      permission: 'webhook:read',
      query: PageQuery,
      result: pageOf(Webhook),
      async handle({ query: { limit, cursor }, principal }) {
        const rows = await webhooks.list(principal, limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ id }) => id, toView)
      },
    }),
    route({
      method: 'get',
      path: '/webhooks/{id}',
      summary: 'One webhook',
      permission: 'webhook:read',
      params,
      result: Webhook,
      async handle({ params: { id }, principal }) {
        return toView(await webhooks.find(id, principal))
      },
    }),
    route({
      method: 'post',
      path: '/webhooks',
      summary: 'Tell this address of what happens from now on; its secret is shown this once',
      permission: 'webhook:write',
      body: z.strictObject({ url: Url, types: Types.default(['*']) }),
      result: Webhook.extend({ secret: z.string() }),
      status: 201,
      async handle({ body, principal }) {
        const { row, secret } = await webhooks.add(body, principal)
        return { ...toView(row), secret }
      },
    }),
    ...changingRoutes(webhooks),
  ]
}

function changingRoutes(webhooks: Webhooks): readonly Route[] {
  return [
    route({
      method: 'patch',
      path: '/webhooks/{id}',
      summary: 'Change a webhook, disable it, or enable it again where it was left',
      permission: 'webhook:write',
      params,
      body: z.strictObject({
        url: Url.optional(),
        types: Types.optional(),
        enabled: z.boolean().optional(),
      }),
      result: Webhook,
      async handle({ params: { id }, body, principal }) {
        return toView(await webhooks.change(id, body, principal))
      },
    }),
    route({
      method: 'delete',
      path: '/webhooks/{id}',
      summary: 'Remove a webhook',
      permission: 'webhook:write',
      params,
      async handle({ params: { id }, principal }) {
        await webhooks.remove(id, principal)
      },
    }),
    route({
      method: 'post',
      path: '/webhooks/{id}/replay',
      summary: 'Deliver again from an entry or a time on, with the ids that were used before',
      permission: 'webhook:write',
      params,
      body: z.union([
        z.strictObject({ from_seq: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER) }),
        z.strictObject({ since: z.iso.datetime({ offset: true }) }),
      ]),
      result: Webhook,
      async handle({ params: { id }, body, principal }) {
        const since =
          'since' in body ? { at: new Date(body.since).toISOString() } : { seq: body.from_seq }
        return toView(await webhooks.replay(id, since, principal))
      },
    }),
    route({
      method: 'post',
      path: '/webhooks/{id}/test',
      summary: 'Send a message that tells of nothing, and say how it was answered',
      permission: 'webhook:write',
      params,
      result: z.object({
        ok: z.boolean(),
        status: z.number().int().nullable(),
        error: z.string().nullable(),
      }),
      handle: ({ params: { id }, principal }) => webhooks.test(id, principal),
    }),
  ]
}

function toView(row: WebhookState) {
  const { id, url, types, state, cursor, pending, attempts, ...rest } = row
  const { failing_since, last_error, next_at, last_delivered_at, created_at } = rest
  return {
    ...{ id, url, types: types.split(' '), state, cursor, pending, attempts },
    ...{ failing_since, last_error, next_at, last_delivered_at, created_at },
  }
}
