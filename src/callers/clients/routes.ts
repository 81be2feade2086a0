/** /api/v1/clients: programs that call this API with tokens of our token endpoint. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { Made, MachineClients } from './service.ts'
import {
  ClientChangeBody,
  ClientView,
  MadeClientView,
  NewClientBody,
  RotationBody,
  clientView,
  credentialFrom,
} from './view.ts'

const ClientParam = z.object({ id: z.string().max(64) })

export function clientRoutes(clients: MachineClients): readonly Route[] {
  return [listRoute(clients), addRoute(clients), ...namedRoutes(clients)]
}

function listRoute(clients: MachineClients): Route {
  return route({
    method: 'get',
    path: '/clients',
    summary: 'List the machine clients',
    permission: 'client:read',
    query: PageQuery,
    result: pageOf(ClientView),
    async handle({ query: { limit, cursor }, principal: { party } }) {
      const rows = await clients.list({ party, limit: limit + 1, after: positionOf(cursor) })
      return pageFrom(rows, limit, ({ id }) => id, clientView)
    },
  })
}

function addRoute(clients: MachineClients): Route {
  return route({
    method: 'post',
    path: '/clients',
    summary: 'Register a machine client; a secret made for it is shown this once',
    permission: 'client:write',
    body: NewClientBody,
    result: MadeClientView,
    status: 201,
    async handle({ body: { name, scopes, auth }, principal }) {
      const credential = credentialFrom(auth)
      return madeView(await clients.add({ name, scopes, credential }, principal))
    },
  })
}

function namedRoutes(clients: MachineClients): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/clients/{id}',
      summary: 'A machine client',
      permission: 'client:read',
      params: ClientParam,
      result: ClientView,
      handle: async ({ params: { id }, principal: { party } }) =>
        clientView(await clients.find(party, id)),
    }),
    route({
      method: 'patch',
      path: '/clients/{id}',
      summary: 'Rename a machine client, change what it may do, disable or enable it',
      permission: 'client:write',
      params: ClientParam,
      body: ClientChangeBody,
      result: ClientView,
      handle: async ({ params: { id }, body, principal }) =>
        clientView(await clients.change(id, body, principal)),
    }),
    route({
      method: 'post',
      path: '/clients/{id}/rotate',
      summary: 'Replace the keys or the secret of a machine client; the old are worthless at once',
      permission: 'client:write',
      params: ClientParam,
      body: RotationBody,
      result: MadeClientView,
      async handle({ params: { id }, body: { auth }, principal }) {
        return madeView(await clients.rotate(id, auth && credentialFrom(auth), principal))
      },
    }),
    route({
      method: 'delete',
      path: '/clients/{id}',
      summary: 'Remove a machine client; its tokens are worthless at once',
      permission: 'client:write',
      params: ClientParam,
      handle: ({ params: { id }, principal }) => clients.remove(id, principal),
    }),
  ]
}

function madeView({ row, secret }: Made) {
  return { ...clientView(row), ...(secret !== undefined && { client_secret: secret }) }
}
