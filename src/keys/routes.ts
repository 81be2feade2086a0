/** /api/v1/keys: which keys there are, made here or elsewhere. Private parts never leave. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { Keys } from './service.ts'
import { KeyView, NewKeyBody, ProtectedKey, keyView } from './view.ts'

const KeyParam = z.object({ id: z.string().max(64) })

export function keyRoutes(keys: Keys): readonly Route[] {
  return [listRoute(keys), importRoute(keys), makeRoute(keys), ...namedRoutes(keys)]
}

function listRoute(keys: Keys): Route {
  return route({
    method: 'get',
    path: '/keys',
    summary: 'List the private keys of this service, by what may be known of them',
    permission: 'key:read',
    query: PageQuery,
    result: pageOf(KeyView),
    async handle({ query: { limit, cursor }, principal: { party } }) {
      const rows = await keys.list(party, limit + 1, positionOf(cursor))
      return pageFrom(rows, limit, ({ id }) => id, keyView)
    },
  })
}

function importRoute(keys: Keys): Route {
  return route({
    method: 'post',
    path: '/keys',
    summary: 'Add an owner key made elsewhere: PKCS#8, PKCS#12, SEC 1 or PKCS#1; PEM or DER',
    permission: 'key:import',
    query: z.object({ purpose: z.enum(['owner']).default('owner') }),
    bytes: {
      types: [
        'application/octet-stream',
        'application/x-pem-file',
        'application/pkcs8',
        'application/pkcs8-encrypted',
        'application/pkcs12',
        'application/x-pkcs12',
        'text/plain',
      ],
      atMost: 65_536,
    },
    body: ProtectedKey.optional(),
    result: KeyView,
    status: 201,
    async handle({ query: { purpose }, bytes, body, principal }) {
      const file = body ? Buffer.from(body.file, 'base64') : bytes
      const { passphrase } = body ?? {}
      return keyView(await keys.import(purpose, { file, passphrase }, principal))
    },
  })
}

function makeRoute(keys: Keys): Route {
  return route({
    method: 'post',
    path: '/keys/make',
    summary: 'Make the first key of a purpose and type; conflict where there is one to rotate',
    permission: 'key:write',
    body: NewKeyBody,
    result: KeyView,
    status: 201,
    handle: async ({ body: { purpose, type }, principal }) =>
      keyView(await keys.make(purpose, type, principal)),
  })
}

function namedRoutes(keys: Keys): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/keys/{id}',
      summary: 'A key, by what may be known of it',
      permission: 'key:read',
      params: KeyParam,
      result: KeyView,
      handle: async ({ params: { id }, principal: { party } }) =>
        keyView(await keys.find(party, id)),
    }),
    route({
      method: 'post',
      path: '/keys/{id}/rotate',
      summary: 'Make the key that takes its place; it goes on serving what was signed to it',
      permission: 'key:write',
      params: KeyParam,
      result: KeyView,
      status: 201,
      handle: async ({ params: { id }, principal }) => keyView(await keys.rotate(id, principal)),
    }),
    route({
      method: 'delete',
      path: '/keys/{id}',
      summary: 'Destroy a key that is not in use, and that no voucher is with',
      permission: 'key:write',
      params: KeyParam,
      handle: ({ params: { id }, principal }) => keys.remove(id, principal),
    }),
  ]
}
