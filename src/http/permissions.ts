/** Every permission of the management API, once, and the scopes that bundle them. */
import { HOME_PARTY } from '../database/tables.ts'

export const PERMISSIONS = [
  'voucher:read',
  'voucher:import',
  'voucher:export',
  'voucher:sell',
  'voucher:delete',
  'trust-policy:read',
  'trust-policy:write',
  'device:read',
  'device:write',
  'device:retire',
  'key:read',
  'key:import',
  'key:write',
  'group:read',
  'group:write',
  'plan:read',
  'plan:write',
  'plan:approve',
  'rendezvous-info:read',
  'rendezvous-info:write',
  'owner-address:read',
  'owner-address:write',
  'registration:read',
  'registration:delete',
  'rendezvous-policy:read',
  'rendezvous-policy:write',
  'partner:read',
  'partner:write',
  'inbox:read',
  'inbox:write',
  'transfer:read',
  'transfer:write',
  'station:read',
  'station:write',
  'order:read',
  'order:write',
  'certificate:read',
  'party:read',
  'party:write',
  'party:list',
  'party:invite',
  'party:suspend',
  'token:read',
  'token:create',
  'token:revoke',
  'client:read',
  'client:write',
  'identity-provider:read',
  'identity-provider:write',
  'audit:read',
  'audit:witness',
  'audit:write',
  'webhook:read',
  'webhook:write',
  'metrics:read',
  'openapi:read',
] as const

/** The last is nobody's to give: it comes with an invitation. */
export type Permission = (typeof PERMISSIONS)[number] | 'party:join'

/** What concerns all that share an installation: for the party it belongs to, and no other. */
const OF_THE_INSTALLATION: ReadonlySet<Permission> = new Set([
  'party:list',
  'party:invite',
  'party:suspend',
  'metrics:read',
])

/** A scope is a permission, or one of these bundles. */
const BUNDLES: Readonly<Record<string, readonly Permission[]>> = {
  admin: PERMISSIONS,
  read: PERMISSIONS.filter((permission) => permission.endsWith(':read')),
  /** For the hook that carries vouchers from a factory to its customer. */
  factory: ['voucher:read', 'voucher:export', 'device:read', 'rendezvous-info:read', 'order:read'],
  /** For who runs devices and may not touch keys, nor say who may call or watches the log. */
  operator: PERMISSIONS.filter(
    (permission) =>
      permission.endsWith(':read') ||
      !/^(token|key|client|identity-provider|party|audit):/.test(permission),
  ),
  /** The roles of people: those of an identity provider are mapped to them. */
  administrator: PERMISSIONS,
  /** Makes, buys and sells devices: vouchers, where they are registered, and who gets them. */
  'supply-chain-operator': [
    ...all('voucher', 'trust-policy', 'rendezvous-info', 'registration', 'station', 'order'),
    ...all('partner', 'inbox', 'transfer'),
    ...reading('device', 'group', 'key', 'certificate', 'party', 'openapi'),
  ],
  /** Runs devices that are owned: what they are given, and what they may do. */
  'fleet-operator': [
    ...all('device', 'group', 'plan', 'owner-address'),
    ...reading('voucher', 'rendezvous-info', 'key', 'certificate', 'party', 'openapi'),
  ],
  /** Sees everything and changes nothing. */
  auditor: PERMISSIONS.filter((permission) => permission.endsWith(':read')),
}

export const SCOPES: readonly string[] = [...Object.keys(BUNDLES), ...PERMISSIONS]

/** Whatever can be done with these things. */
function all(...things: readonly string[]): readonly Permission[] {
  return PERMISSIONS.filter((permission) => things.some((one) => permission.startsWith(`${one}:`)))
}

function reading(...things: readonly string[]): readonly Permission[] {
  return all(...things).filter((permission) => permission.endsWith(':read'))
}

function isOfTheInstallation(scope: string): boolean {
  return OF_THE_INSTALLATION.has(scope as Permission)
}

/** What these scopes permit one who acts for a party; undefined if one of them is unknown. */
export function permissionsFor(
  party: string,
  scopes: readonly string[],
): ReadonlySet<Permission> | undefined {
  const permitted = permissionsOf(scopes)
  if (!permitted || party === HOME_PARTY) return permitted
  if (scopes.some((scope) => isOfTheInstallation(scope))) return undefined
  return new Set([...permitted].filter((permission) => !OF_THE_INSTALLATION.has(permission)))
}

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

/** Every scope that permits nothing beyond these. */
export function scopesWithin(held: ReadonlySet<Permission>): readonly string[] {
  return SCOPES.filter((scope) => {
    const permitted = permissionsOf([scope])
    return permitted !== undefined && [...permitted].every((one) => held.has(one))
  })
}
