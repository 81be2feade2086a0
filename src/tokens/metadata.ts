/** What clients read to find their way: RFC 8414, RFC 8705 section 3.3, RFC 9728. */
import { ASSERTION_SIGNATURES } from '../callers/public-keys.ts'
import { SCOPES } from '../http/permissions.ts'
import { type Names, managementApiAt } from './names.ts'
import { ALL_DEVICE_SCOPES } from './scopes.ts'

const OVER_TLS = ['tls_client_auth', 'self_signed_tls_client_auth']
const ANYWHERE = ['private_key_jwt', 'client_secret_basic']

export function authorizationServerMetadata({ issuer, tokenEndpoint, jwks }: Names) {
  const isSecure = issuer.startsWith('https:')
  return {
    issuer,
    token_endpoint: tokenEndpoint,
    jwks_uri: jwks,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: [...ANYWHERE, ...(isSecure ? OVER_TLS : [])],
    token_endpoint_auth_signing_alg_values_supported: ASSERTION_SIGNATURES,
    tls_client_certificate_bound_access_tokens: isSecure,
    scopes_supported: [...SCOPES, ...(isSecure ? ALL_DEVICE_SCOPES : [])],
  }
}

export function managementApiMetadata(names: Names, askedAt: string) {
  const { issuer } = names
  return {
    resource: managementApiAt(names, askedAt),
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: SCOPES,
    tls_client_certificate_bound_access_tokens: issuer.startsWith('https:'),
  }
}

export function deviceApiMetadata({ issuer, deviceApi }: Names) {
  return {
    resource: deviceApi,
    authorization_servers: [issuer],
    bearer_methods_supported: ['header'],
    scopes_supported: ALL_DEVICE_SCOPES,
    tls_client_certificate_bound_access_tokens: true,
  }
}
