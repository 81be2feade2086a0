/** Programs that call the management API with access tokens of ours. */
import { decodeJwt, errors } from 'jose'
import type { MachineClients } from '../callers/clients/service.ts'
import type { FindPrincipal, Principal } from '../http/authenticate.ts'
import { permissionsFor } from '../http/permissions.ts'
import { type Addresses, namesOf } from './names.ts'
import { parseScopes } from './scopes.ts'
import type { SigningKey } from './signing-key.ts'
import { type AccessTokenClaims, isBoundTo, readToken } from './verify.ts'

export interface ApiCallersServices {
  readonly addresses: Addresses
  readonly key: SigningKey
  readonly machines: Pick<MachineClients, 'findActive'>
  readonly now: () => Date
}

/** Undefined for what is no token of ours, or not good for the management API now. */
export function findMachine(services: ApiCallersServices): FindPrincipal {
  const { addresses, key, machines, now } = services
  return async (token, source) => {
    const { issuer, managementApi: audience } = namesOf(addresses)
    const claims = await readToken({ issuer, audience, key, now }, token)
    if (!claims) return undefined
    const { thumbprint } = claims
    if (thumbprint !== undefined && !isBoundTo(thumbprint, source.clientCertificate))
      return undefined
    return principalOf(claims, machines)
  }
}

/** As it stands now: what a client has lost since, a token does not give it. */
async function principalOf(
  { clientId, party, scope, thumbprint }: AccessTokenClaims,
  machines: ApiCallersServices['machines'],
): Promise<Principal | undefined> {
  const machine = await machines.findActive(clientId)
  if (!machine || machine.party !== party) return undefined
  const { id, name, scopes, credential } = machine
  // One that shows certificates has been given no token that does without.
  if (credential.method.endsWith('tls_client_auth') && thumbprint === undefined) return undefined
  const held = permissionsFor(party, scopes) ?? new Set()
  const granted = permissionsFor(party, parseScopes(scope)) ?? new Set()
  const permissions = new Set([...granted].filter((permission) => held.has(permission)))
  return { id, name, kind: 'client', party, permissions }
}

/** It says so, without proof: then nobody else is to be asked about it. */
export function isOwnToken(addresses: Addresses, token: string): boolean {
  try {
    return decodeJwt(token).iss === namesOf(addresses).issuer
  } catch (error) {
    if (error instanceof errors.JOSEError) return false
    throw error
  }
}
