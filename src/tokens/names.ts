/** How the token endpoint and the APIs call themselves, by the addresses this service is reached at. */

export const TOKEN_PATH = '/oauth/token'
export const JWKS_PATH = '/oauth/jwks'
export const DEVICE_API_PATH = '/device/v1'
export const MANAGEMENT_API_PATH = '/api/v1'
export const RESOURCE_METADATA_PATH = '/.well-known/oauth-protected-resource'

/** Without a slash at the end; known once this service listens. */
export interface Addresses {
  readonly publicUrl: () => string
  /** Where devices show their certificates; empty without HTTPS. */
  readonly tlsUrl: () => string
}

export interface Names {
  /** Without a path. */
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwks: string
  readonly deviceApi: string
  /** Every name the management API goes by, the first where none is asked for. */
  readonly managementApi: readonly string[]
}

export function namesOf({ publicUrl, tlsUrl }: Addresses): Names {
  const origin = new URL(publicUrl()).origin
  const issuer = tlsUrl() || origin
  const origins = [...new Set([origin, issuer])]
  return {
    issuer,
    tokenEndpoint: issuer + TOKEN_PATH,
    jwks: issuer + JWKS_PATH,
    deviceApi: issuer + DEVICE_API_PATH,
    managementApi: origins.map((one) => one + MANAGEMENT_API_PATH),
  }
}

/** The name of the management API that has the origin it was asked at, if it has one there. */
export function managementApiAt({ managementApi }: Names, host: string): string {
  const here = managementApi.find((name) => new URL(name).host === host)
  return here ?? managementApi[0] ?? ''
}

/** Where a resource says how to get tokens for it: RFC 9728, section 3.1. */
export function metadataUrlOf(resource: string): string {
  const { origin, pathname } = new URL(resource)
  return origin + RESOURCE_METADATA_PATH + pathname
}
