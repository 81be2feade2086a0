/** /api/v1/transfers: vouchers on their way to partners. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { PushService } from './service.ts'
import type { PushJob } from './store.ts'

const TransferState = z.enum(['waiting', 'delivered', 'failed'])

const Transfer = z
  .object({
    id: z.string(),
    partner: z.string(),
    guid: z.string(),
    voucher_hash: z.string(),
    state: TransferState,
    attempts: z.number().int(),
    next_at: z.string().nullable(),
    last_error: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Transfer')

const TransferParam = z.object({ id: z.string().max(64) })

export function transferRoutes(pushes: PushService): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/transfers',
      summary: 'List the vouchers that are, or were, to be pushed to partners',
      permission: 'transfer:read',
      query: PageQuery.extend({
        state: TransferState.optional(),
        partner: z.string().max(64).optional(),
        guid: z.string().max(32).optional(),
      }),
      result: pageOf(Transfer),
      async handle({ query: { limit, cursor, ...filter }, principal: { party } }) {
        const page = { ...filter, party, limit: limit + 1, after: positionOf(cursor) }
        return pageFrom(await pushes.list(page), limit, ({ id }) => id, viewOf)
      },
    }),
    route({
      method: 'get',
      path: '/transfers/{id}',
      summary: 'How a voucher’s way to a partner went so far',
      permission: 'transfer:read',
      params: TransferParam,
      result: Transfer,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await pushes.find(party, id)),
    }),
    route({
      method: 'post',
      path: '/transfers/{id}/retry',
      summary: 'Push a voucher now, one that was refused, too',
      permission: 'transfer:write',
      params: TransferParam,
      result: Transfer,
      status: 202,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await pushes.retry(party, id)),
    }),
  ]
}

function viewOf({ party: _, next_at, ...job }: PushJob) {
  return { ...job, next_at: job.state === 'waiting' ? next_at : null }
}
