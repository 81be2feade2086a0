/** The OAuth 2.0 server: client credentials, for tokens that are bound to a certificate if there is one. */
import type { RequestListener } from 'node:http'
import { randomBytes } from 'node:crypto'
import { decodeJwt } from 'jose'
import type { Configuration, KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { Bytes } from '../../protocol/bytes.ts'
import { TokenRefusal } from '../../protocol/service-info/token-issuer.ts'
import type { MachineClients } from '../callers/clients/service.ts'
import { ASSERTION_SIGNATURES } from '../callers/public-keys.ts'
import type { RemoteKeys } from '../callers/remote-documents.ts'
import type { Clock } from '../clock.ts'
import { DatabaseUnavailable } from '../database/unavailable.ts'
import type { Events } from '../events.ts'
import type { Log } from '../log.ts'
import { adapterFactory } from './adapter.ts'
import {
  SKEW_SECONDS,
  checkAssertion,
  compareSecrets,
  expectOwnAudience,
  fetchOfKeys,
  mutualTls,
} from './client-auth.ts'
import { type FindDevice, tokenRequests } from './clients.ts'
import { JWKS_PATH, type Names, TOKEN_PATH } from './names.ts'
import { resourceInfo, resources } from './resources.ts'
import type { SigningKey } from './signing-key.ts'

const TOKEN_LIFETIME_SECONDS = 300
const RETRY_AFTER_SECONDS = '5'

export interface ProviderServices {
  readonly names: Names
  readonly key: SigningKey
  readonly machines: Pick<MachineClients, 'findActive' | 'useAssertion'>
  /** Those that clients publish. */
  readonly keys: RemoteKeys
  readonly findDevice: FindDevice
  readonly clock: Clock
  readonly events: Pick<Events, 'accessTokenIssued' | 'clientTokenIssued'>
  readonly log: Log
}

/** A token for a device that does not ask for it itself. */
export interface TokenOrder {
  readonly deviceId: string
  /** DER: what the token is bound to. */
  readonly certificate: Bytes
  readonly scopes: readonly string[]
}

/** RFC 6749, section 5.1. */
export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: string
  readonly expires_in: number
  /** For whoever finds the answer later. */
  readonly expires_at: string
  readonly scope: string
}

export interface OAuthServer {
  readonly answer: RequestListener
  /** With the claims it would have at the token endpoint. */
  issue(order: TokenOrder): Promise<TokenAnswer>
}

/** Loading it takes a third of a second: not to be done before a token is asked for. */
export async function loadProvider(services: ProviderServices): Promise<OAuthServer> {
  const { log, events, names } = services
  const library = await importQuietly(log)
  const provider = new library.Provider(names.issuer, configurationOf(services, library))
  compareSecrets(provider)
  expectOwnAudience(provider, names)
  provider.on('grant.success', ({ oidc }) => {
    const { clientId = '', scope: scopes = '' } = oidc.entities.ClientCredentials ?? {}
    const machine = tokenRequests.getStore()?.machine
    if (!machine) events.accessTokenIssued({ device: clientId, scopes })
    else events.clientTokenIssued({ client: clientId, party: machine.party, scopes })
  })
  provider.on('grant.error', (_, error) => {
    log.info({ error: error.error, detail: error.error_detail ?? error.message }, 'no access token')
  })
  provider.on('server_error', (context, error) => {
    if (error instanceof DatabaseUnavailable) putOff(context)
    else log.error({ err: error }, 'failed')
  })
  return { answer: provider.callback(), issue: (order) => issue(provider, names, order) }
}

/** As it does itself for a grant of client credentials. */
async function issue(
  provider: Provider,
  { deviceApi }: Names,
  { deviceId, certificate, scopes }: TokenOrder,
): Promise<TokenAnswer> {
  const client = await provider.Client.find(deviceId)
  if (!client) throw new TokenRefusal('the device is not one of ours any more')
  const resourceServer = new provider.ResourceServer(deviceApi, resourceInfo(deviceApi, scopes))
  const scope = scopes.join(' ')
  const token = new provider.ClientCredentials({ client, resourceServer, scope })
  token.setThumbprint('x5t', Buffer.from(certificate).toString('base64'))
  const access_token = await token.save()
  const { exp = 0 } = decodeJwt(access_token)
  return {
    ...{ access_token, token_type: token.tokenType, expires_in: token.expiration },
    ...{ expires_at: new Date(exp * 1000).toISOString(), scope },
  }
}

/** In the place of what was to be answered: nothing is wrong with the request. */
function putOff(context: KoaContextWithOIDC): void {
  context.status = 503
  context.set('retry-after', RETRY_AFTER_SECONDS)
  const error_description = 'the service has no database at the moment: ask again'
  context.body = { error: 'temporarily_unavailable', error_description }
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
  const { names, machines, findDevice, clock, keys, log } = services
  return {
    adapter: adapterFactory({ machines, findDevice, now: () => clock.now() }),
    jwks: { keys: [externalKey(services.key, library)] },
    routes: { token: TOKEN_PATH, jwks: JWKS_PATH },
    // It insists on a secret for cookies, and is never asked to set one.
    cookies: { keys: [randomBytes(32)] },
    ttl: { ClientCredentials: TOKEN_LIFETIME_SECONDS },
    clockTolerance: SKEW_SECONDS,
    scopes: [],
    responseTypes: [],
    clientAuthMethods: ['tls_client_auth', 'private_key_jwt', 'client_secret_basic'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    enabledJWA: {
      idTokenSigningAlgValues: ['ES256'],
      clientAuthSigningAlgValues: ASSERTION_SIGNATURES,
    },
    assertJwtClientAuthClaimsAndHeader: checkAssertion({ names, machines, clock }, library),
    extraTokenClaims: () => ofParty(tokenRequests.getStore()?.machine?.party),
    fetch: fetchOfKeys(keys, log),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      mTLS: mutualTls(),
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: resources(names, library),
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
  }
}

/** Tokens of devices name none: a device is known by its certificate alone. */
function ofParty(party: string | undefined) {
  return party === undefined ? undefined : { party }
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
