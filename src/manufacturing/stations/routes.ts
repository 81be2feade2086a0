/** /api/v1/stations: from where devices may be made. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { Stations } from './service.ts'
import type { StationRow } from './store.ts'

const Listener = z.enum(['http', 'https'])

const StationView = z
  .object({
    id: z.string(),
    name: z.string(),
    allow: z.array(z.string()),
    client_cas: z.string().nullable(),
    has_secret: z.boolean(),
    listener: Listener.nullable(),
    created_at: z.string(),
  })
  .openapi('Station')

/** What is in a URL, in a table and in a file's name. */
export const Name = z.string().regex(/^[\w][\w .:+-]{0,99}$/, 'up to 100 letters, digits or .:+-')

const NewStation = z.strictObject({
  name: Name,
  allow: z
    .array(z.string().max(64))
    .max(64)
    .default([])
    .openapi({ description: 'addresses or ranges such as 10.0.0.0/8; none for any' }),
  client_cas: z
    .string()
    .max(65_536)
    .optional()
    .openapi({ description: 'PEM: CAs, one of which must have issued the caller’s certificate' }),
  secret: z
    .boolean()
    .default(false)
    .openapi({ description: 'have a secret made, to stand in the path of the DI URL' }),
  listener: Listener.optional().openapi({
    description: 'by which of the service’s own listeners its devices come in; left out for either',
  }),
})

/** Where devices of a station turn to. */
export interface DiAddresses {
  readonly publicUrl: () => string
  /** The HTTPS listener's own; empty without one. */
  readonly tlsUrl: () => string
}

export function stationRoutes(
  stations: Stations,
  { publicUrl, tlsUrl }: DiAddresses,
): readonly Route[] {
  const params = z.object({ id: z.string().max(64) })
  return [
    route({
      method: 'post',
      path: '/stations',
      summary: 'Add a station; its secret is shown this once',
      permission: 'station:write',
      body: NewStation,
      result: StationView.extend({
        secret: z.string().nullable(),
        di_url: z.string().openapi({ description: 'what a device there is told' }),
      }),
      status: 201,
      async handle({ body, principal }) {
        const { name, allow, client_cas, secret: withSecret, listener } = body
        const wanted = { name, allow, clientCas: client_cas ?? '', withSecret, listener }
        const { row, secret } = await stations.add(wanted, principal)
        const path = secret === null ? '' : `/station/${secret}`
        const base = listener === 'https' ? tlsUrl() : publicUrl()
        return { ...viewOf(row), secret, di_url: `${base}${path}` }
      },
    }),
    route({
      method: 'get',
      path: '/stations',
      summary: 'List the stations',
      permission: 'station:read',
      query: PageQuery,
      result: pageOf(StationView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const rows = await stations.list({ party, limit: limit + 1, after: positionOf(cursor) })
        return pageFrom(rows, limit, ({ id }) => id, viewOf)
      },
    }),
    route({
      method: 'get',
      path: '/stations/{id}',
      summary: 'A station, and how a caller is known to be there',
      permission: 'station:read',
      params,
      result: StationView,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await stations.find(party, id)),
    }),
    route({
      method: 'delete',
      path: '/stations/{id}',
      summary: 'Remove a station: nobody is let in there from now on',
      permission: 'station:write',
      params,
      handle: ({ params: { id }, principal }) => stations.remove(id, principal),
    }),
  ]
}

function viewOf(row: StationRow) {
  const { id, name, allow, client_cas, secret_hash, listener, created_at } = row
  return {
    id,
    name,
    allow: allow.split(' ').filter((range) => range !== ''),
    client_cas: client_cas === '' ? null : client_cas,
    has_secret: secret_hash !== null,
    listener: listener === '' ? null : listener,
    created_at,
  }
}
