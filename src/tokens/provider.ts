/** The OAuth 2.0 server: client credentials over mutual TLS, for tokens bound to the certificate. */
import type { RequestListener } from 'node:http'
import { randomBytes } from 'node:crypto'
import type { Configuration } from 'oidc-provider'
import type { Events } from '../events.ts'
import type { Log } from '../log.ts'
import { deviceUrn } from '../pki/profiles.ts'
import { adapterFactory } from './adapter.ts'
import type { ClientsOfRequests, FindDevice } from './clients.ts'
import { knownScopes } from './scopes.ts'
import type { SigningKey } from './signing-key.ts'

export const TOKEN_PATH = '/oauth/token'
export const JWKS_PATH = '/oauth/jwks'
const TOKEN_LIFETIME_SECONDS = 300

export interface ProviderServices {
  /** An https URL without a path. */
  readonly issuer: string
  /** What tokens are good for. */
  readonly audience: string
  readonly key: SigningKey
  readonly clients: ClientsOfRequests
  readonly findDevice: FindDevice
  readonly events: Pick<Events, 'accessTokenIssued'>
  readonly log: Log
}

/** Loading it takes a third of a second: not to be done before a token is asked for. */
export async function loadProvider(services: ProviderServices): Promise<RequestListener> {
  const { log, events, issuer } = services
  const library = await importQuietly(log)
  const provider = new library.Provider(issuer, configurationOf(services, library))
  provider.on('grant.success', ({ oidc }) => {
    const { clientId: device, scope = '' } = oidc.entities.ClientCredentials ?? {}
    if (device !== undefined) events.accessTokenIssued({ device, scopes: scope })
  })
  provider.on('grant.error', (_, error) => {
    log.info({ error: error.error, detail: error.error_detail ?? error.message }, 'no access token')
  })
  provider.on('server_error', (_, error) => log.error({ err: error }, 'failed'))
  return provider.callback()
}

type Library = typeof import('oidc-provider')

/** It tells the console which Node it prefers; that belongs in the log. */
async function importQuietly(log: Log): Promise<Library> {
  const { warn } = console
  console.warn = (text: unknown) => log.debug({ library: 'oidc-provider' }, String(text))
  try {
    return await import('oidc-provider')
  } finally {
    console.warn = warn
  }
}

function configurationOf(services: ProviderServices, library: Library): Configuration {
  return {
    adapter: adapterFactory(services.findDevice),
    jwks: { keys: [externalKey(services.key, library)] },
    routes: { token: TOKEN_PATH, jwks: JWKS_PATH },
    // It insists on a secret for cookies, and is never asked to set one.
    cookies: { keys: [randomBytes(32)] },
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
    scopes: [],
    responseTypes: [],
    clientAuthMethods: ['tls_client_auth'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      mTLS: mutualTls(services),
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: deviceApi(services, library),
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
  }
}

type Features = NonNullable<Configuration['features']>

/** The certificate is the one in force that ClientsOfRequests has, or there is none. */
function mutualTls({ clients }: ProviderServices): Features['mTLS'] {
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    tlsClientAuth: true,
    getCertificate({ req }) {
      const client = clients.of(req)
      return client && Buffer.from(client.certificate).toString('base64')
    },
    certificateAuthorized: ({ req }) => clients.of(req) !== undefined,
    certificateSubjectMatches({ req }, property, expected) {
      const client = clients.of(req)
      const isName = property === 'tls_client_auth_san_uri'
      return client !== undefined && isName && expected === deviceUrn(client.deviceId)
    },
  }
}

/** Scopes that the device's group does not hold are left out; asked for none, it gets them all. */
function deviceApi(services: ProviderServices, library: Library): Features['resourceIndicators'] {
  const { audience, clients } = services
  return {
    enabled: true,
    defaultResource: () => audience,
    getResourceServerInfo({ req, oidc }, resource) {
      if (resource !== audience) throw new library.errors.InvalidTarget()
      const scope = knownScopes(clients.of(req)?.scopes ?? []).join(' ')
      const { params } = oidc
      if (params && params['scope'] === undefined) params['scope'] = scope
      return {
        scope,
        audience,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'ES256' } },
      }
    },
  }
}

/** Our Signer, so that the private key is not handed out. */
function externalKey({ signer, publicKey, kid }: SigningKey, library: Library) {
  class TokenKey extends library.ExternalSigningKey {
    override get kid(): string {
      return kid
    }

    override get alg(): string {
      return 'ES256'
    }

    override keyObject() {
      return publicKey
    }

    override sign(data: Uint8Array) {
      return signer.sign(data)
    }
  }
  return new TokenKey()
}
