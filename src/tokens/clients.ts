/** The clients of the token endpoint: every device that has a certificate in force. */
import type { IncomingMessage } from 'node:http'
import type { ClientMetadata } from 'oidc-provider'
import type { Bytes } from '../../protocol/bytes.ts'
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

export function clientMetadata(deviceId: string): ClientMetadata {
  return {
    client_id: deviceId,
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_uri: deviceUrn(deviceId),
    tls_client_certificate_bound_access_tokens: true,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
  }
}

/** Who stands behind a request under way: looked up before the OAuth server, which cannot wait. */
export class ClientsOfRequests {
  readonly #clients = new WeakMap<IncomingMessage, DeviceClient>()

  put(request: IncomingMessage, client: DeviceClient): void {
    this.#clients.set(request, client)
  }

  of(request: IncomingMessage): DeviceClient | undefined {
    return this.#clients.get(request)
  }
}
