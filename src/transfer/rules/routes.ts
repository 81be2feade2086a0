/** /api/v1/transfer-rules: to whom the vouchers of a model go by themselves. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import { calledBy } from '../handover/routes.ts'
import type { Rule, Rules } from './service.ts'

const RuleView = z
  .object({
    id: z.string(),
    model: z.string().nullable().openapi({ description: 'null: all that no other rule is about' }),
    partner: z.string().nullable().openapi({ description: 'its id' }),
    party: z.string().nullable().openapi({ description: 'its name' }),
    last_error: z
      .string()
      .nullable()
      .openapi({ description: 'why a voucher stayed here; it is tried again, ever more rarely' }),
    created_at: z.string(),
  })
  .openapi('TransferRule')

const RuleParam = z.object({ id: z.string().max(64) })

export function ruleRoutes(rules: Rules): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/transfer-rules',
      summary: 'List the rules by which vouchers are handed over',
      permission: 'transfer:read',
      query: PageQuery,
      result: pageOf(RuleView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const found = await rules.list(party, limit + 1, positionOf(cursor))
        return pageFrom(found, limit, ({ id }) => id, viewOf)
      },
    }),
    route({
      method: 'post',
      path: '/transfer-rules',
      summary: 'Hand over every voucher of a model, those there are and those to come',
      permission: 'voucher:sell',
      body: z.strictObject({
        model: z.string().min(1).max(1024).nullable().openapi({
          description: 'the device info, exactly; null: all that no other rule is about',
        }),
        partner: z.string().min(1).max(100).optional(),
        party: z.string().min(1).max(100).optional(),
      }),
      result: RuleView,
      status: 201,
      handle: async ({ body: { model, ...to }, principal }) =>
        viewOf(await rules.create(principal, model, calledBy(to))),
    }),
    route({
      method: 'get',
      path: '/transfer-rules/{id}',
      summary: 'A rule, and how it went of late',
      permission: 'transfer:read',
      params: RuleParam,
      result: RuleView,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await rules.find(party, id)),
    }),
    route({
      method: 'delete',
      path: '/transfer-rules/{id}',
      summary: 'Remove a rule: what it has handed over stays so',
      permission: 'voucher:sell',
      params: RuleParam,
      handle: ({ params: { id }, principal }) => rules.remove(principal, id),
    }),
  ]
}

function viewOf({ party: _, to_party: _id, to_party_name, ...rule }: Rule) {
  return { ...rule, party: to_party_name }
}
