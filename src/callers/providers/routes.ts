/** /api/v1/identity-providers: whose tokens are accepted for the people of a party. */
import { z } from '@hono/zod-openapi'
import { permissionsFor } from '../../http/permissions.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import { type Examined, MOST_TOKEN_CHARS } from './examine.ts'
import { type IdentityProviders, rolesOf } from './service.ts'
import type { ProviderRow } from './store.ts'

const Text = z.string().min(1).max(1024)
const Name = z.string().min(1).max(100)
const Roles = z
  .record(z.string().min(1).max(256), z.array(z.string().min(1)).min(1).max(200))
  .refine((roles) => Object.keys(roles).length <= 200, 'at most 200 values')
  .openapi({ description: 'value of the claim → roles or permissions' })

const NewProviderBody = z.strictObject({
  name: Name,
  issuer: Text.openapi({ description: 'as its tokens have it in iss' }),
  audience: Text.openapi({ description: 'what its tokens for this service have in aud' }),
  jwks_uri: Text.optional().openapi({ description: 'found by discovery, unless given' }),
  claim: z
    .string()
    .min(1)
    .max(256)
    .openapi({ description: 'a name, or a path as realm_access.roles' }),
  roles: Roles,
})

const ProviderView = z
  .object({
    id: z.string(),
    name: z.string(),
    issuer: z.string(),
    audience: z.string(),
    jwks_uri: z.string(),
    claim: z.string(),
    roles: z.record(z.string(), z.array(z.string()).readonly()),
    is_named: z.boolean().openapi({
      description:
        'whether its tokens have to name its id, in aud or among the values of the claim',
    }),
    created_at: z.string(),
  })
  .openapi('IdentityProvider')

const TestView = z
  .object({
    accepted: z.boolean(),
    reason: z.string().optional().openapi({ description: 'why it is not accepted' }),
    principal: z.object({ id: z.string(), name: z.string() }).optional(),
    values: z.array(z.string()).optional().openapi({ description: 'what the claim says' }),
    scopes: z.array(z.string()).optional().openapi({ description: 'what that is mapped to' }),
    permissions: z.array(z.string()).optional(),
  })
  .openapi('TokenTest')

const ProviderParam = z.object({ id: z.string().max(64) })

export function identityProviderRoutes(providers: IdentityProviders): readonly Route[] {
  return [
    listRoute(providers),
    addRoute(providers),
    ...namedRoutes(providers),
    testRoute(providers),
  ]
}

function listRoute(providers: IdentityProviders): Route {
  return route({
    method: 'get',
    path: '/identity-providers',
    summary: 'List the OpenID providers whose tokens are accepted',
    permission: 'identity-provider:read',
    query: PageQuery,
    result: pageOf(ProviderView),
    async handle({ query: { limit, cursor }, principal: { party } }) {
      const rows = await providers.list({ party, limit: limit + 1, after: positionOf(cursor) })
      return pageFrom(rows, limit, ({ id }) => id, providerView)
    },
  })
}

function addRoute(providers: IdentityProviders): Route {
  return route({
    method: 'post',
    path: '/identity-providers',
    summary: 'Accept the tokens of an OpenID provider',
    permission: 'identity-provider:write',
    body: NewProviderBody,
    result: ProviderView,
    status: 201,
    handle: async ({ body: { jwks_uri, ...wanted }, principal }) =>
      providerView(await providers.add({ ...wanted, jwksUri: jwks_uri }, principal)),
  })
}

function namedRoutes(providers: IdentityProviders): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/identity-providers/{id}',
      summary: 'An OpenID provider whose tokens are accepted',
      permission: 'identity-provider:read',
      params: ProviderParam,
      result: ProviderView,
      handle: async ({ params: { id }, principal: { party } }) =>
        providerView(await providers.find(party, id)),
    }),
    route({
      method: 'patch',
      path: '/identity-providers/{id}',
      summary: 'Change what the tokens of an OpenID provider permit',
      permission: 'identity-provider:write',
      params: ProviderParam,
      body: NewProviderBody.pick({ name: true, claim: true, roles: true }).partial(),
      result: ProviderView,
      handle: async ({ params: { id }, body, principal }) =>
        providerView(await providers.change(id, body, principal)),
    }),
    route({
      method: 'delete',
      path: '/identity-providers/{id}',
      summary: 'Accept no more tokens of an OpenID provider',
      permission: 'identity-provider:write',
      params: ProviderParam,
      handle: ({ params: { id }, principal }) => providers.remove(id, principal),
    }),
  ]
}

function testRoute(providers: IdentityProviders): Route {
  return route({
    method: 'post',
    path: '/identity-providers/{id}/test',
    summary: 'Tell whether a token of this provider is accepted, and why not',
    permission: 'identity-provider:read',
    params: ProviderParam,
    body: z.strictObject({ token: z.string().min(1).max(MOST_TOKEN_CHARS) }),
    result: TestView,
    handle: async ({ params: { id }, body: { token }, principal: { party } }) =>
      testView(party, await providers.test(party, id, token)),
  })
}

function providerView(row: ProviderRow): z.infer<typeof ProviderView> {
  const { id, name, issuer, audience, jwks_uri, claim, is_named, created_at } = row
  const roles = Object.entries(rolesOf(row)).map(([value, scopes]) => [value, [...scopes]])
  return {
    id,
    name,
    issuer,
    audience,
    jwks_uri,
    claim,
    roles: Object.fromEntries(roles),
    is_named: is_named === 1,
    created_at,
  }
}

function testView(party: string, examined: Examined): z.infer<typeof TestView> {
  if (!examined.accepted) return examined
  const { id, name, values, scopes } = examined
  const permissions = [...(permissionsFor(party, scopes) ?? [])]
  return {
    accepted: true,
    principal: { id, name },
    ...{ values: [...values], scopes: [...scopes], permissions },
  }
}
