/** The clients of the token endpoint: devices that have a certificate in force, and programs. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { ClientMetadata } from 'oidc-provider'
import type { Bytes } from '../../protocol/bytes.ts'
import type { MachineClient } from '../callers/clients/service.ts'
import { deviceUrn } from '../pki/profiles.ts'
import type { ActiveCertificate } from '../pki/service.ts'

/** What the token endpoint has to know of a device. */
export interface DeviceFacts {
  /** 32 lower-case hexadecimal digits. */
  readonly guid: string
  /** What its group lets its tokens carry. */
  readonly scopes: readonly string[]
}

/** Undefined for a device that is not, or no longer, ours. */
export type FindDevice = (deviceId: string) => Promise<DeviceFacts | undefined>

/** A device that showed its certificate over mutual TLS, and that certificate was in force. */
export interface DeviceClient extends ActiveCertificate, DeviceFacts {
  /** DER. */
  readonly certificate: Bytes
}

const COMMON = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }

export function deviceMetadata(deviceId: string): ClientMetadata {
  return { ...COMMON, client_id: deviceId, ...certifiedAs(deviceUrn(deviceId)) }
}

export function machineMetadata({ id, credential }: MachineClient): ClientMetadata {
  return { ...COMMON, client_id: id, ...authenticationOf(id, credential) }
}

/** Which certificates are a client's is decided before the OAuth server is asked: see MachineInQuestion. */
export function machineUrn(clientId: string): string {
  return `urn:firstlight:client:${clientId}`
}

function authenticationOf(id: string, credential: MachineClient['credential']) {
  const { method: token_endpoint_auth_method } = credential
  if ('jwks' in credential) {
    const keys = credential.jwks.map((key) => ({ ...key }))
    return { token_endpoint_auth_method, jwks: { keys } }
  }
  if ('jwksUri' in credential) return { token_endpoint_auth_method, jwks_uri: credential.jwksUri }
  // Compared as what it is: see compareSecrets.
  if ('hash' in credential) return { token_endpoint_auth_method, client_secret: credential.hash }
  return certifiedAs(machineUrn(id))
}

function certifiedAs(name: string) {
  return {
    token_endpoint_auth_method: 'tls_client_auth' as const,
    tls_client_auth_san_uri: name,
    tls_client_certificate_bound_access_tokens: true,
  }
}

/** The program that a request says it comes from: not proven, unless by its certificate. */
export interface MachineInQuestion extends MachineClient {
  readonly isCertified: boolean
}

/** What is known of a request beyond what the OAuth server reads from it. */
export interface TokenRequest {
  /** DER, as shown over TLS. */
  readonly certificate: Bytes | undefined
  readonly device: DeviceClient | undefined
  /** Once the OAuth server has looked it up. */
  machine: MachineInQuestion | undefined
}

/** The request under way: the OAuth server asks some questions without saying for which it does. */
export const tokenRequests = new AsyncLocalStorage<TokenRequest>()
