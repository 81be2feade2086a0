/** Every permission of the management API, once, and the scopes that bundle them. */

export const PERMISSIONS = [
  'voucher:read',
  'voucher:import',
  'voucher:export',
  'voucher:sell',
  'voucher:delete',
  'device:read',
  'device:write',
  'key:read',
  'key:import',
  'group:read',
  'group:write',
  'plan:read',
  'plan:write',
  'rendezvous-info:read',
  'rendezvous-info:write',
  'owner-address:read',
  'owner-address:write',
  'partner:read',
  'partner:write',
  'inbox:read',
  'inbox:write',
  'transfer:read',
  'transfer:write',
  'certificate:read',
  'token:read',
  'token:create',
  'token:revoke',
  'metrics:read',
  'openapi:read',
] as const

export type Permission = (typeof PERMISSIONS)[number]

/** A scope is a permission, or one of these bundles. */
const BUNDLES: Readonly<Record<string, readonly Permission[]>> = {
  admin: PERMISSIONS,
  read: PERMISSIONS.filter((permission) => permission.endsWith(':read')),
  /** For the hook that carries vouchers from a factory to its customer. */
  factory: ['voucher:read', 'voucher:export', 'device:read', 'rendezvous-info:read'],
  /** For who runs devices and may not touch keys or tokens. */
  operator: PERMISSIONS.filter(
    (permission) => permission.endsWith(':read') || !/^(token|key):/.test(permission),
  ),
}

export const SCOPES: readonly string[] = [...Object.keys(BUNDLES), ...PERMISSIONS]

/** What these scopes permit; undefined if one of them is unknown. */
export function permissionsOf(scopes: readonly string[]): ReadonlySet<Permission> | undefined {
  const permitted = new Set<Permission>()
  for (const scope of scopes) {
    const bundle = Object.hasOwn(BUNDLES, scope) ? BUNDLES[scope] : undefined
    const permissions = bundle ?? PERMISSIONS.filter((permission) => permission === scope)
    if (permissions.length === 0) return undefined
    for (const permission of permissions) permitted.add(permission)
  }
  return permitted
}
