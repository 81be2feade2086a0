/** /oauth, where a device gets its token, and /device/v1, where it uses it. */
import type { RequestListener } from 'node:http'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type Context, Hono } from 'hono'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import type { Ranges } from '../addresses.ts'
import type { Clock } from '../clock.ts'
import type { Events } from '../events.ts'
import { type AppEnv, bearerTokenOf, notAuthenticated } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import { IncomingSource } from '../http/source.ts'
import type { Log } from '../log.ts'
import type { Pki } from '../pki/service.ts'
import { ClientsOfRequests, type FindDevice } from './clients.ts'
import { JWKS_PATH, TOKEN_PATH, loadProvider } from './provider.ts'
import { ALL_DEVICE_SCOPES, type DeviceScope } from './scopes.ts'
import type { SigningKey } from './signing-key.ts'
import { type DeviceCaller, type VerifyServices, findCaller, findClient } from './verify.ts'

export interface TokenServices {
  /** Where devices show their certificates, without a path; known once this service listens. */
  readonly tlsUrl: () => string
  readonly key: SigningKey
  readonly pki: Pki
  readonly findDevice: FindDevice
  readonly trustedProxies: Ranges
  readonly clock: Clock
  readonly events: Pick<Events, 'accessTokenIssued'>
  readonly log: Log
}

const DEVICE_API_PATH = '/device/v1'
const METADATA_PATH = '/.well-known/oauth-authorization-server'
const CACHE_FOR_MINUTES = { 'cache-control': 'public, max-age=300' }

export function tokenRoutes(services: TokenServices): Hono<AppEnv> {
  const { key, tlsUrl } = services
  const clients = new ClientsOfRequests()
  let provider: Promise<RequestListener> | undefined

  return new Hono<AppEnv>()
    .get(METADATA_PATH, (c) => c.json(metadata(tlsUrl()), 200, CACHE_FOR_MINUTES))
    .get(JWKS_PATH, (c) => c.json({ keys: [key.publicJwk] }, 200, CACHE_FOR_MINUTES))
    .post(TOKEN_PATH, async (c) => {
      const { incoming, outgoing } = c.env
      const client = await findClient(services, certificateOf(c, services))
      if (!client || !incoming || !outgoing) return noClient(c)
      clients.put(incoming, client)
      provider ??= loadProvider({ ...services, ...names(services), clients })
      const answer = await provider
      await answer(incoming, outgoing)
      return RESPONSE_ALREADY_SENT
    })
    .get(`${DEVICE_API_PATH}/whoami`, async (c) => {
      const { deviceId, guid, granted } = await admit(c, services, 'device:whoami')
      return c.json({ device_id: deviceId, guid, scopes: granted })
    })
    .get(`${DEVICE_API_PATH}/certificate`, async (c) => {
      const caller = await admit(c, services, 'device:certificate')
      return c.json(certificateView(caller, services.pki))
    })
}

/** RFC 8414; RFC 8705, section 3.3. */
function metadata(issuer: string) {
  return {
    issuer,
    token_endpoint: issuer + TOKEN_PATH,
    jwks_uri: issuer + JWKS_PATH,
    response_types_supported: [],
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['tls_client_auth'],
    tls_client_certificate_bound_access_tokens: true,
    scopes_supported: ALL_DEVICE_SCOPES,
  }
}

function certificateView({ serial, notBefore, notAfter, certificate }: DeviceCaller, pki: Pki) {
  const lifetimeMs = notAfter.getTime() - notBefore.getTime()
  return {
    serial,
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
    /** When two thirds of its life are over. */
    renew_after: new Date(notBefore.getTime() + (2 * lifetimeMs) / 3).toISOString(),
    certificate: certificatesToPem([certificate]),
    ca: certificatesToPem(pki.trustBundle()),
  }
}

/** The calling device, if its token carries the scope; throws a Problem. */
async function admit(
  c: Context<AppEnv>,
  services: TokenServices,
  scope: DeviceScope,
): Promise<DeviceCaller> {
  const token = bearerTokenOf(c)
  const verifying: VerifyServices = {
    ...services,
    ...names(services),
    now: () => services.clock.now(),
  }
  const caller =
    token === undefined ? undefined : await findCaller(verifying, token, certificateOf(c, services))
  if (!caller) throw notAuthenticated(token)
  if (!caller.granted.includes(scope)) {
    throw new Problem('not-permitted', `this token lacks the scope ${scope}`, {
      headers: { 'www-authenticate': `Bearer error="insufficient_scope", scope="${scope}"` },
    })
  }
  return caller
}

function names({ tlsUrl }: TokenServices) {
  return { issuer: tlsUrl(), audience: tlsUrl() + DEVICE_API_PATH }
}

function certificateOf(c: Context<AppEnv>, { trustedProxies }: TokenServices) {
  const { incoming } = c.env
  return incoming && new IncomingSource(incoming, trustedProxies).clientCertificate
}

/** RFC 6749, section 5.2. */
function noClient(c: Context): Response {
  const error_description = 'show a certificate that is in force: of a device, and over TLS'
  return c.json({ error: 'invalid_client', error_description }, 401, {
    'cache-control': 'no-store',
  })
}
