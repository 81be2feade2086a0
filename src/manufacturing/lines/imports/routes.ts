/** /api/v1/order-documents and /api/v1/order-issuers: orders that come signed, and who may sign them. */
import { z } from '@hono/zod-openapi'
import type { Clock } from '../../../clock.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../../http/route.ts'
import { OrderView, orderView } from '../../orders/view.ts'
import { Name } from '../../stations/routes.ts'
import { Fingerprint } from '../view.ts'
import type { OrderImports } from './service.ts'

const MOST_DOCUMENT_CHARACTERS = 524_288

const Issuer = z
  .object({ fingerprint: Fingerprint, name: z.string(), created_at: z.string() })
  .openapi('OrderIssuer')

const IssuerParam = z.object({ fingerprint: Fingerprint })

export function orderImportRoutes(imports: OrderImports, clock: Clock): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/order-documents',
      summary: 'Take in an order made out to this line elsewhere; a repeat changes nothing',
      permission: 'order:write',
      body: z.strictObject({
        document: z.string().min(1).max(MOST_DOCUMENT_CHARACTERS),
        issuer: Fingerprint.optional().openapi({
          description: 'the key whose orders are taken in from now on, as its owner told it',
        }),
        stations: z.array(z.string().max(64)).max(100).default([]),
        name: Name.optional(),
      }),
      result: z.object({ order: OrderView, is_new: z.boolean() }),
      async handle({ body: { document, issuer, stations, name }, principal }) {
        const wanted = { document, issuer, stations, name }
        const { row, isNew } = await imports.import(wanted, principal)
        return { order: orderView(row, clock.now()), is_new: isNew }
      },
    }),
    route({
      method: 'post',
      path: '/orders/{id}/closing-statement',
      summary: 'How many were made of an order that came signed, signed for who placed it',
      permission: 'order:write',
      params: z.object({ id: z.string().max(64) }),
      result: z.object({ share: z.string(), made: z.number().int(), statement: z.string() }),
      async handle({ params: { id }, principal }) {
        const { order, statement } = await imports.close(id, principal)
        return { share: order.share ?? '', made: order.made, statement }
      },
    }),
    route({
      method: 'get',
      path: '/order-issuers',
      summary: 'List the keys whose orders are taken in',
      permission: 'order:read',
      query: PageQuery,
      result: pageOf(Issuer),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const page = { party, limit: limit + 1, after: positionOf(cursor) }
        const rows = await imports.issuers.list(page)
        return pageFrom(rows, limit, ({ fingerprint }) => fingerprint, issuerView)
      },
    }),
    route({
      method: 'get',
      path: '/order-issuers/{fingerprint}',
      summary: 'A key whose orders are taken in',
      permission: 'order:read',
      params: IssuerParam,
      result: Issuer,
      handle: async ({ params: { fingerprint }, principal: { party } }) =>
        issuerView(await imports.issuers.find(party, fingerprint)),
    }),
    route({
      method: 'delete',
      path: '/order-issuers/{fingerprint}',
      summary: 'Take in no more orders signed with a key; those that are here stay',
      permission: 'order:write',
      params: IssuerParam,
      handle: ({ params: { fingerprint }, principal }) =>
        imports.issuers.forget(fingerprint, principal),
    }),
  ]
}

function issuerView({ fingerprint, name, created_at }: z.infer<typeof Issuer>) {
  return { fingerprint, name, created_at }
}
