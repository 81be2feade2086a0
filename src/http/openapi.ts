/** The OpenAPI document of the management API, read off its routes. */
import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { AppEnv } from './authenticate.ts'
import { registerProblems, tagOf } from './definition.ts'
import { PERMISSIONS, SCOPES, permissionsOf } from './permissions.ts'
import { type Route, route } from './route.ts'

const ABOUT = {
  openapi: '3.1.0',
  info: {
    title: 'firstlight management API',
    version: '1',
    description: 'Vouchers, devices, keys, groups and plans of a FIDO Device Onboard service.',
    license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  },
  servers: [{ url: '/api/v1' }],
}

/** What the first part of a path is about. */
const ABOUT_TAGS: Readonly<Record<string, string>> = {
  audit: 'What happened, so that a rewritten past is found',
  certificates: 'Certificates issued here',
  clients: 'Programs that call with tokens of the token endpoint',
  devices: 'Devices, and how they got where they are',
  invitations: 'Organisations that are to become parties',
  groups: 'Groups of devices, and what their tokens may carry',
  'identity-providers': 'OpenID providers whose tokens are accepted',
  keys: 'Private keys, by what may be known of them',
  onboardings: 'What happens while devices are onboarded',
  openapi: 'This document',
  'owner-addresses': 'Where the rendezvous sends devices',
  parties: 'The organisations that share the installation',
  party: 'The organisation for which the caller acts',
  'plan-contents': 'Files that plans send',
  plans: 'What devices get when they are onboarded',
  registrations: 'What owners have left at this rendezvous',
  'rendezvous-alarms': 'Attempts of former owners to register',
  'rendezvous-policy': 'Who may register at this rendezvous',
  'rendezvous-info': 'Where devices look for their owner',
  tokens: 'Tokens of this API',
  'transfer-rules': 'To whom the vouchers of a model go by themselves',
  'trust-policy': 'Whose vouchers are taken in',
  uploads: 'Files that devices have sent',
  vouchers: 'Ownership vouchers',
  webhooks: 'Addresses that are told of what happens',
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
  registerProblems(app)
  for (const { register } of routes) register(app)
  const names = [...new Set(routes.map(({ path }) => tagOf(path)))].toSorted()
  const tags = names.map((name) => ({ name, description: ABOUT_TAGS[name] ?? name }))
  return app.getOpenAPI31Document({ ...ABOUT, tags })
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
