/** /api/v1/orders/…/shares and /api/v1/order-shares: what lines that are offline make of an order. */
import { z } from '@hono/zod-openapi'
import type { Clock } from '../../../clock.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../../http/route.ts'
import { Fingerprint } from '../view.ts'
import type { HandOver } from './hand-over.ts'
import type { Shares } from './service.ts'
import type { ShareRow } from './store.ts'

const MOST_AT_ONCE = 100
const MOST_STATEMENT_CHARACTERS = 16_384

const ShareView = z
  .object({
    id: z.string(),
    order: z.string(),
    line: Fingerprint,
    quantity: z.number().int(),
    made: z.number().int().openapi({ description: 'handed over, and counted' }),
    reserved: z.number().int().openapi({ description: 'what may still come' }),
    state: z.enum(['open', 'closed']),
    is_expired: z.boolean(),
    created_at: z.string(),
    expires_at: z.string(),
    closed_at: z.string().nullable(),
  })
  .openapi('OrderShare')

const ShareWithDocument = ShareView.extend({
  document: z.string().openapi({ description: 'for the line: signed, in PEM' }),
}).openapi('OrderShareWithDocument')

const NewShare = z.strictObject({
  line: Fingerprint.openapi({ description: 'of a manufacturer key of the line: SHA-256, hex' }),
  quantity: z
    .number()
    .int()
    .min(1)
    .optional()
    .openapi({ description: 'all that is left, if left out' }),
  stations: z
    .array(z.string().min(1).max(100))
    .max(100)
    .default([])
    .openapi({ description: 'what the line’s stations are called there; none for all' }),
  expires_at: z.iso.datetime({ offset: true }).optional().openapi({
    description: 'when the order does, if left out',
  }),
})

const Brought = z.strictObject({
  voucher: z.base64().min(1).max(131_072).openapi({ format: 'byte', description: 'CBOR' }),
  serial: z.string().max(512),
  label: z.string().max(65_536).openapi({ description: 'as it was printed' }),
  station: z.string().max(100).nullable(),
  made_at: z.iso.datetime({ offset: true }),
})

const params = z.object({ id: z.string().max(64) })

export function shareRoutes(shares: Shares, handOver: HandOver, clock: Clock): readonly Route[] {
  const view = (row: ShareRow) => viewOf(row, clock.now())
  return [
    route({
      method: 'post',
      path: '/orders/{id}/shares',
      summary: 'Reserve a part of an order for a line that is offline, and make out its document',
      permission: 'order:write',
      params,
      body: NewShare,
      result: ShareWithDocument,
      status: 201,
      async handle({ params: { id }, body: { expires_at, ...body }, principal }) {
        const expiresAt = expires_at === undefined ? undefined : new Date(expires_at)
        const { line, quantity, stations } = body
        const row = await shares.issue(id, { line, quantity, stations, expiresAt }, principal)
        return { ...view(row), document: row.document }
      },
    }),
    route({
      method: 'get',
      path: '/orders/{id}/shares',
      summary: 'List what lines make of an order',
      permission: 'order:read',
      params,
      query: PageQuery,
      result: pageOf(ShareView),
      async handle({ params: { id: orderId }, query: { limit, cursor }, principal: { party } }) {
        const page = { party, orderId, limit: limit + 1, after: positionOf(cursor) }
        return pageFrom(await shares.list(page), limit, ({ id }) => id, view)
      },
    }),
    route({
      method: 'get',
      path: '/order-shares/{id}',
      summary: 'A share, how much of it has come, and its document',
      permission: 'order:read',
      params,
      result: ShareWithDocument,
      async handle({ params: { id }, principal: { party } }) {
        const row = await shares.find(party, id)
        return { ...view(row), document: row.document }
      },
    }),
    ...lineRoutes(shares, handOver, view),
  ]
}

/** What the line calls, or who brings its files. */
function lineRoutes(
  shares: Shares,
  handOver: HandOver,
  view: (row: ShareRow) => z.infer<typeof ShareView>,
): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/order-shares/{id}/devices',
      summary: 'Hand over what a line has made; may be repeated, and a device counts once',
      permission: 'voucher:import',
      params,
      body: z.strictObject({ devices: z.array(Brought).min(1).max(MOST_AT_ONCE) }),
      result: z.object({
        items: z.array(
          z.object({
            guid: z.string().nullable(),
            ok: z.boolean(),
            check: z.string().nullable(),
            detail: z.string().nullable(),
          }),
        ),
      }),
      async handle({ params: { id }, body: { devices }, principal }) {
        const brought = devices.map(({ voucher, made_at, ...device }) => ({
          ...device,
          voucher: Buffer.from(voucher, 'base64'),
          madeAt: new Date(made_at),
        }))
        return { items: await handOver.take(id, brought, principal) }
      },
    }),
    route({
      method: 'post',
      path: '/order-shares/{id}/close',
      summary: 'Give back what a line has not made, by its signed statement; may be repeated',
      permission: 'voucher:import',
      params,
      body: z.strictObject({ statement: z.string().max(MOST_STATEMENT_CHARACTERS) }),
      result: ShareView,
      handle: async ({ params: { id }, body: { statement }, principal }) =>
        view(await shares.close(id, statement, principal)),
    }),
  ]
}

function viewOf(row: ShareRow, now: Date): z.infer<typeof ShareView> {
  const { id, order_id: order, line, quantity, made, reserved, state } = row
  const { created_at, expires_at, closed_at } = row
  return {
    ...{ id, order, line, quantity, made, reserved, state },
    is_expired: new Date(expires_at) <= now,
    ...{ created_at, expires_at, closed_at },
  }
}
