/** OpenID providers on the loopback: a real one, and one that does whatever a test wants of it. */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT, exportJWK, generateKeyPair } from 'jose'
import { type ProgramKey, now, programKey } from './callers.ts'

export interface OwnProvider {
  readonly issuer: string
  readonly key: ProgramKey
  /** What it publishes; tests change it. */
  keys: readonly unknown[]
  /** In place of its key set. */
  answering: ((response: ServerResponse) => void) | undefined
  /** How often its keys have been asked for. */
  readonly asked: () => number
  /** A token as an operator of `audience` has it, but for `claims` and `header`. */
  token(claims?: object, header?: object, by?: ProgramKey): Promise<string>
  close(): Promise<void>
}

export async function ownProvider(audience: string): Promise<OwnProvider> {
  let asked = 0
  const server = createServer((request, response) => answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realms/acme`
  const key = await programKey('ES256', 'first')
  const provider: OwnProvider = {
    issuer,
    key,
    keys: [key.jwk],
    answering: undefined,
    asked: () => asked,
    token: (claims, header, { alg, jwk, privateKey } = key) =>
      new SignJWT({
        ...{ iss: issuer, aud: audience, sub: 'u-1', iat: now(), exp: now() + 7200 },
        ...{ preferred_username: 'grace', realm_access: { roles: ['fdo-auditors', 'other'] } },
        ...claims,
      })
        .setProtectedHeader({ alg, kid: String(jwk['kid']), ...header })
        .sign(privateKey),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  function answer(request: IncomingMessage, response: ServerResponse): void {
    const [url] = request.url?.split('?') ?? []
    const json = (value: unknown) => response.end(JSON.stringify(value))
    if (url === '/realms/acme/.well-known/openid-configuration') {
      return void json({ issuer, jwks_uri: `${issuer}/keys` })
    }
    if (url !== '/realms/acme/keys') return void response.writeHead(404).end()
    asked++
    if (provider.answering) provider.answering(response)
    else json({ keys: provider.keys })
  }
  return provider
}

export interface RealProvider {
  readonly issuer: string
  /** An access token of its own making. */
  token(): Promise<string>
  close(): Promise<void>
}

/** oidc-provider itself, whose only client is a job with roles. */
export async function realProvider(audience: string): Promise<RealProvider> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const { Provider } = await import('oidc-provider')
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'real', alg: 'ES256', use: 'sig' }] },
    cookies: { keys: ['for tests'] },
    clients: [
      {
        client_id: 'job',
        client_secret: 'secret of the job',
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
    ],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    ttl: { ClientCredentials: 300 },
    extraTokenClaims: () => ({ groups: ['fdo-fleet'] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          scope: '',
          audience,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  })
  server.on('request', provider.callback())
  return {
    issuer,
    async token() {
      const authorization = `Basic ${Buffer.from('job:secret+of+the+job').toString('base64')}`
      const body = new URLSearchParams({ grant_type: 'client_credentials' })
      const answer = await fetch(`${issuer}/token`, {
        method: 'POST',
        body,
        headers: { authorization },
      })
      const { access_token } = (await answer.json()) as { access_token: string }
      return access_token
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
