/** What access tokens are good for, and what they may carry: RFC 8707. */
import type { Configuration, ResourceServer } from 'oidc-provider'
import { permissionsFor, scopesWithin } from '../http/permissions.ts'
import { type DeviceClient, type MachineInQuestion, tokenRequests } from './clients.ts'
import type { Names } from './names.ts'
import { knownScopes } from './scopes.ts'

type Features = NonNullable<Configuration['features']>

/**
 * Devices have one API, programs the other. Scopes that a client does not hold are left out; asked
 * for none, it gets them all.
 */
export function resources(
  { deviceApi, managementApi }: Names,
  { errors }: typeof import('oidc-provider'),
): Features['resourceIndicators'] {
  return {
    enabled: true,
    defaultResource: () => (tokenRequests.getStore()?.machine ? managementApi[0] : deviceApi) ?? '',
    getResourceServerInfo({ oidc }, resource) {
      const { machine, device } = tokenRequests.getStore() ?? {}
      const audiences = machine ? managementApi : [deviceApi]
      if (!audiences.includes(resource)) throw new errors.InvalidTarget()
      const { params } = oidc
      if (params && params['scope'] === undefined) {
        params['scope'] = (machine ? machine.scopes : scopesOf(device)).join(' ')
      }
      return resourceInfo(resource, machine ? grantable(machine) : scopesOf(device))
    },
  }
}

/** How its tokens look, whoever gets them. */
export function resourceInfo(audience: string, scopes: readonly string[]): ResourceServer {
  return {
    ...{ audience, scope: scopes.join(' ') },
    ...{ accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  }
}

function scopesOf(device: DeviceClient | undefined): readonly string[] {
  return knownScopes(device?.scopes ?? [])
}

/** Its scopes, and whatever is less than they are. */
function grantable({ party, scopes }: MachineInQuestion): readonly string[] {
  const held = permissionsFor(party, scopes) ?? new Set()
  return [...new Set([...scopes, ...scopesWithin(held)])]
}
