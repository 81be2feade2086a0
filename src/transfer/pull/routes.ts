/** /api/v1/transfer-sources: the partners that hold vouchers for us, and fetching them. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { Partners } from '../partners/service.ts'
import type { PullService, SourceView } from './service.ts'

const TransferSource = z
  .object({
    id: z.string(),
    name: z.string(),
    pull_url: z.string(),
    every_seconds: z.number().int().nullable(),
    next_at: z.string().nullable(),
    last_at: z.string().nullable(),
    last_error: z.string().nullable(),
  })
  .openapi('TransferSource')

const PullResult = z
  .object({
    taken: z.number().int(),
    known: z.number().int(),
    failed: z.array(z.object({ id: z.string(), reason: z.string() })),
    more: z.boolean(),
  })
  .openapi('PullResult')

const SourceParam = z.object({ id: z.string().max(64) })

export function transferSourceRoutes(pulls: PullService, partners: Partners): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/transfer-sources',
      summary: 'List the partners that vouchers are pulled from',
      permission: 'transfer:read',
      query: PageQuery,
      result: pageOf(TransferSource),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const rows = await partners.list(party, limit + 1, positionOf(cursor))
        const { items, next } = pageFrom(
          rows,
          limit,
          ({ id }) => id,
          (row) => row,
        )
        return { items: (await pulls.view(items)).map(viewOf), next }
      },
    }),
    route({
      method: 'get',
      path: '/transfer-sources/{id}',
      summary: 'How it goes with a partner that vouchers are pulled from',
      permission: 'transfer:read',
      params: SourceParam,
      result: TransferSource,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await pulls.find(party, id)),
    }),
    route({
      method: 'put',
      path: '/transfer-sources/{id}',
      summary: 'Say how often vouchers are pulled from a partner; null for only when asked to',
      permission: 'transfer:write',
      params: SourceParam,
      body: z.strictObject({ every_seconds: z.number().int().min(60).max(604_800).nullable() }),
      result: TransferSource,
      handle: async ({ params: { id }, body, principal }) =>
        viewOf(await pulls.schedule(principal, id, body.every_seconds)),
    }),
    route({
      method: 'post',
      path: '/transfer-sources/{id}/pull',
      summary: 'Pull what a partner holds for us now; again, as long as there is more',
      permission: 'transfer:write',
      params: SourceParam,
      result: PullResult,
      handle: ({ params: { id }, principal: { party } }) => pulls.pull(party, id),
    }),
  ]
}

function viewOf(source: SourceView) {
  const { every_seconds = null, next_at = null, last_at = null, last_error = null } = source
  const { partner: id, name, pullUrl: pull_url } = source
  return { id, name, pull_url, every_seconds, next_at, last_at, last_error }
}
