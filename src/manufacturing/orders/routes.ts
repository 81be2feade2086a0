/** /api/v1/orders: how many devices may be made, with what, for whom; and which have been. */
import { z } from '@hono/zod-openapi'
import type { Clock } from '../../clock.ts'
import { Problem } from '../../http/problem.ts'
import {
  File,
  type Input,
  PageQuery,
  type Route,
  pageFrom,
  pageOf,
  positionOf,
  route,
} from '../../http/route.ts'
import { Directive } from '../../settings/routes.ts'
import { Name } from '../stations/routes.ts'
import { csvLine } from './csv.ts'
import type { FirstOwnerRule } from './first-owner-rules.ts'
import { DEFAULT_LABEL } from './label.ts'
import type { OrderDesk } from './service.ts'
import {
  DEVICE_COLUMNS,
  FirstOwner,
  OrderDevice,
  OrderState,
  OrderView,
  deviceCells,
  orderDeviceView,
  orderView,
} from './view.ts'

const CSV = 'text/csv'
/** In one answer; `after` gives what follows. */
const MOST_LINES = 50_000
const MOST_CERTIFICATE_BYTES = 16 << 20
const PEM = ['application/x-pem-file', 'application/pem-certificate-chain', 'text/plain']

const NewOrder = z.strictObject({
  name: Name,
  model: z.string().min(1).optional().openapi({ description: 'the device info; none for any' }),
  quantity: z.number().int().min(1).max(10_000_000),
  expires_at: z.iso.datetime({ offset: true }),
  rendezvous_info: z
    .array(Directive)
    .min(1)
    .max(32)
    .optional()
    .openapi({ description: 'the setting of that name as it is now, if left out' }),
  first_owner: FirstOwner.default('self'),
  stations: z.array(z.string().max(64)).max(100).default([]),
  unique_serials: z.boolean().default(false),
  label: z.string().max(1_000).default(DEFAULT_LABEL),
  device_cas: z
    .string()
    .max(65_536)
    .optional()
    .openapi({ description: 'PEM: CAs whose devices keep the certificate they come with' }),
})

const params = z.object({ id: z.string().max(64) })

export function orderRoutes(orders: OrderDesk, clock: Clock): readonly Route[] {
  const view = (row: Parameters<typeof orderView>[0]) => orderView(row, clock.now())
  return [
    createRoute(orders, view),
    listRoute(orders, view),
    route({
      method: 'get',
      path: '/orders/{id}',
      summary: 'An order, and how much of it has been made',
      permission: 'order:read',
      params,
      result: OrderView,
      handle: async ({ params: { id }, principal: { party } }) =>
        view(await orders.find(party, id)),
    }),
    route({
      method: 'delete',
      path: '/orders/{id}',
      summary: 'Remove an order that has not been opened',
      permission: 'order:write',
      params,
      handle: ({ params: { id }, principal }) => orders.remove(id, principal),
    }),
    route({
      method: 'post',
      path: '/orders/{id}/try',
      summary: 'Try the rendezvous info of a draft',
      permission: 'order:write',
      params,
      result: OrderView,
      handle: async ({ params: { id }, principal }) => view(await orders.try(id, principal)),
    }),
    route({
      method: 'post',
      path: '/orders/{id}/open',
      summary: 'Have devices made to an order, once its rendezvous info has answered',
      permission: 'order:write',
      params,
      body: z.strictObject({
        force: z
          .boolean()
          .default(false)
          .openapi({ description: 'although it does not: no device made can be told otherwise' }),
      }),
      result: OrderView,
      handle: async ({ params: { id }, body: { force }, principal }) =>
        view(await orders.open(id, force, principal)),
    }),
    route({
      method: 'post',
      path: '/orders/{id}/close',
      summary: 'Have no more devices made to an order, for good',
      permission: 'order:write',
      params,
      result: OrderView,
      handle: async ({ params: { id }, principal }) => view(await orders.close(id, principal)),
    }),
    devicesRoute(orders),
    certificatesRoute(orders),
  ]
}

type View = (row: Parameters<typeof orderView>[0]) => z.infer<typeof OrderView>

function createRoute(orders: OrderDesk, view: View): Route {
  return route({
    method: 'post',
    path: '/orders',
    summary: 'Place an order: a draft, until it is opened',
    permission: 'order:write',
    body: NewOrder,
    result: OrderView,
    status: 201,
    async handle({ body, principal }) {
      const wanted = {
        name: body.name,
        model: body.model ?? null,
        quantity: body.quantity,
        rendezvousInfo: body.rendezvous_info,
        firstOwner: rulesOf(body.first_owner),
        stations: body.stations,
        isSerialUnique: body.unique_serials,
        label: body.label,
        deviceCas: body.device_cas ?? '',
        expiresAt: new Date(body.expires_at),
      }
      return view(await orders.create(wanted, principal))
    },
  })
}

function rulesOf(firstOwner: z.infer<typeof FirstOwner>): readonly FirstOwnerRule[] {
  return typeof firstOwner === 'string' ? [{ to: firstOwner }] : firstOwner
}

function listRoute(orders: OrderDesk, view: View): Route {
  return route({
    method: 'get',
    path: '/orders',
    summary: 'List the orders, those closed too',
    permission: 'order:read',
    query: PageQuery.extend({ state: OrderState.optional() }),
    result: pageOf(OrderView),
    async handle({ query: { limit, cursor, state }, principal: { party } }) {
      const page = { party, limit: limit + 1, after: positionOf(cursor), state }
      return pageFrom(await orders.list(page), limit, ({ id }) => id, view)
    },
  })
}

function devicesRoute(orders: OrderDesk): Route {
  return route({
    method: 'get',
    path: '/orders/{id}/devices',
    summary: 'The devices made to an order, for the line’s own systems: JSON, or CSV',
    permission: 'order:read',
    params,
    query: PageQuery.extend({
      after: z.coerce.number().int().min(0).optional().openapi({
        description: 'the last number known: only those made later. CSV has 50,000 at most',
      }),
      format: z.enum(['json', 'csv']).optional(),
    }),
    result: pageOf(OrderDevice),
    file: [CSV],
    async handle({ params: { id }, query, principal: { party }, accept }) {
      const { limit, cursor, after = 0 } = query
      const order = await orders.find(party, id)
      if ((query.format ?? formatFor(accept)) === 'csv') {
        let text = csvLine(DEVICE_COLUMNS)
        for await (const row of orders.devices(order, { after, limit: MOST_LINES })) {
          text += csvLine(deviceCells(order, row))
        }
        return new File(`${CSV}; charset=utf-8; header=present`, text, `${order.name}.csv`)
      }
      const position = Number(positionOf(cursor) ?? after)
      if (!Number.isSafeInteger(position)) {
        throw new Problem('invalid-request', 'cursor: not one of this list')
      }
      const rows = await orders.listDevices(order, { after: position, limit: limit + 1 })
      const numberOf = ({ number }: (typeof rows)[number]) => String(number)
      return pageFrom(rows, limit, numberOf, (row) => orderDeviceView(order, row))
    },
  })
}

function formatFor(accept: Input<unknown, unknown, unknown>['accept']): 'json' | 'csv' {
  return /text\/csv/i.test(accept) ? 'csv' : 'json'
}

function certificatesRoute(orders: OrderDesk): Route {
  return route({
    method: 'post',
    path: '/orders/{id}/device-certificates',
    summary: 'Tell of certificates that devices come with and keep: PEM, each with its issuers',
    permission: 'order:write',
    params,
    bytes: { types: PEM, atMost: MOST_CERTIFICATE_BYTES },
    result: z.object({
      items: z.array(
        z.object({
          key: z.string().openapi({ description: 'SHA-256 of the SubjectPublicKeyInfo' }),
          ok: z.boolean(),
          detail: z.string().nullable(),
        }),
      ),
    }),
    async handle({ params: { id }, bytes, principal }) {
      const pem = new TextDecoder('latin1').decode(bytes)
      return { items: await orders.tellCertificates(id, pem, principal) }
    },
  })
}
