/** /oauth, where devices and programs get their tokens, and what they read to find it. */
import type { IncomingMessage } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import type { Clock } from '../clock.ts'
import type { AppEnv } from '../http/authenticate.ts'
import { IncomingSource, type TrustedProxies } from '../http/source.ts'
import type { Pki } from '../pki/service.ts'
import { type FindDevice, tokenRequests } from './clients.ts'
import { authorizationServerMetadata, managementApiMetadata } from './metadata.ts'
import {
  type Addresses,
  JWKS_PATH,
  MANAGEMENT_API_PATH,
  RESOURCE_METADATA_PATH,
  TOKEN_PATH,
  namesOf,
} from './names.ts'
import type { OAuthServer } from './provider.ts'
import type { SigningKey } from './signing-key.ts'
import type { Strangers } from './strangers.ts'
import { findClient } from './verify.ts'

export interface TokenServices {
  readonly addresses: Addresses
  readonly key: SigningKey
  readonly pki: Pick<Pki, 'findActiveCertificate'>
  readonly findDevice: FindDevice
  /** Those whose credential is ours, and not known. */
  readonly strangers?: Strangers
  readonly server: () => Promise<OAuthServer>
  readonly trustedProxies: TrustedProxies
  readonly clock: Clock
}

const SERVER_METADATA_PATH = '/.well-known/oauth-authorization-server'
export const CACHE_FOR_MINUTES = { 'cache-control': 'public, max-age=300' }
/** An assertion of 16 KiB, and what goes with it. */
const MOST_BYTES = 20 * 1024

export function tokenRoutes(services: TokenServices): Hono<AppEnv> {
  const { key, addresses } = services
  const names = () => namesOf(addresses)

  const resource = (c: Context<AppEnv>) =>
    c.json(managementApiMetadata(names(), c.req.header('host') ?? ''), 200, CACHE_FOR_MINUTES)
  return new Hono<AppEnv>()
    .get(SERVER_METADATA_PATH, (c) =>
      c.json(authorizationServerMetadata(names()), 200, CACHE_FOR_MINUTES),
    )
    .get(RESOURCE_METADATA_PATH, resource)
    .get(RESOURCE_METADATA_PATH + MANAGEMENT_API_PATH, resource)
    .get(JWKS_PATH, (c) => c.json({ keys: [key.publicJwk] }, 200, CACHE_FOR_MINUTES))
    .post(TOKEN_PATH, async (c) => {
      const { incoming, outgoing } = c.env
      if (!incoming || !outgoing) throw new Error('the token endpoint without a socket')
      const source = new IncomingSource(incoming, services.trustedProxies)
      const refusal = refusalOf(incoming, source.confidential)
      if (refusal) return c.json(...refusal)
      const { clientCertificate: certificate } = source
      const device = await findClient(services, certificate)
      if (certificate && !device) await services.strangers?.look(certificate)
      const { answer } = await services.server()
      await tokenRequests.run({ certificate, device, machine: undefined }, () =>
        answer(incoming, outgoing),
      )
      return RESPONSE_ALREADY_SENT
    })
}

type Refusal = readonly [
  { readonly error: string; readonly error_description: string },
  400 | 411 | 413,
  Record<string, string>,
]

/** What is not even read: RFC 6749, section 5.2. */
function refusalOf(incoming: IncomingMessage, isConfidential: boolean): Refusal | undefined {
  const refuse = (status: Refusal[1], error_description: string): Refusal => [
    { error: 'invalid_request', error_description },
    status,
    { 'cache-control': 'no-store' },
  ]
  if (!isConfidential) return refuse(400, 'clients prove themselves over HTTPS only')
  const length = incoming.headers['content-length']
  if (length === undefined) return refuse(411, 'say in Content-Length how long the request is')
  if (Number(length) > MOST_BYTES) return refuse(413, `a request is ${MOST_BYTES} bytes at most`)
  return undefined
}
