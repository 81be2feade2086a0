/** The OpenAPI document of the management API, read off its routes. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from './authenticate.ts'
import { PERMISSIONS, SCOPES, permissionsOf } from './permissions.ts'
import { type Route, route } from './route.ts'

const ABOUT = {
  openapi: '3.1.0',
  info: {
    title: 'firstlight management API',
    version: '1',
    description: 'Vouchers, devices, keys, groups and plans of a FIDO Device Onboard service.',
  },
  servers: [{ url: '/api/v1' }],
}

/** The document describes itself, too. */
export function openApiRoute(others: readonly Route[]): Route {
  let document: object | undefined
  const self: Route = route({
    method: 'get',
    path: '/openapi.json',
    summary: 'This document',
    permission: 'openapi:read',
    result: z.record(z.string(), z.unknown()),
    handle: () => (document ??= openApiDocument([...others, self])) as Record<string, unknown>,
  })
  return self
}

export function openApiDocument(routes: readonly Route[]): object {
  const app = new OpenAPIHono<AppEnv>()
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
  })
  for (const { register } of routes) register(app)
  return app.getOpenAPI31Document(ABOUT)
}

const Document = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.object({ 'x-permission': z.string() }))),
})

/** Who may do what: roles by permission, then every operation and the permission it takes. */
export function permissionTable(document: unknown): readonly string[] {
  const operations = Object.entries(Document.parse(document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { 'x-permission': permission }]) =>
        `${method.toUpperCase()} /api/v1${path} ${permission}`,
    ),
  )
  return [...roleTable(), '', ...operations.toSorted()]
}

/** A line for each permission, a column for each bundle of them. */
function roleTable(): readonly string[] {
  const bundles = SCOPES.filter((scope) => !scope.includes(':'))
  const width = Math.max(...PERMISSIONS.map((permission) => permission.length))
  const line = (name: string, cell: (bundle: string) => string) =>
    [name.padEnd(width), ...bundles.map((one) => cell(one).padEnd(one.length))].join('  ').trimEnd()
  return [
    line('', (bundle) => bundle),
    ...PERMISSIONS.map((permission) =>
      line(permission, (bundle) => (permissionsOf([bundle])?.has(permission) ? 'x' : '-')),
    ),
  ]
}
