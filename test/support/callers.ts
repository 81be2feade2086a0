/** Programs at the token endpoint: their keys, their assertions right or wrong, their tokens. */
import { randomUUID } from 'node:crypto'
import { type CryptoKey, SignJWT, exportJWK, generateKeyPair } from 'jose'
import type { TestService } from './service.ts'

export interface ProgramKey {
  readonly alg: string
  readonly privateKey: CryptoKey
  readonly jwk: Readonly<Record<string, unknown>>
}

export async function programKey(alg = 'ES256', kid = `${alg} key`): Promise<ProgramKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, privateKey, jwk: { ...(await exportJWK(publicKey)), kid } }
}

export const now = () => Math.floor(Date.now() / 1000)

export interface Assertion {
  readonly header?: Record<string, unknown>
  readonly claims?: Record<string, unknown>
}

/** As it should be, but for what `changes` says. */
export function assertionBy(
  { alg, privateKey, jwk }: ProgramKey,
  clientId: string,
  audience: string,
  { header, claims }: Assertion = {},
): Promise<string> {
  return new SignJWT({
    ...{ iss: clientId, sub: clientId, aud: audience, jti: randomUUID() },
    ...{ iat: now(), exp: now() + 60 },
    ...claims,
  })
    .setProtectedHeader({ alg, kid: String(jwk['kid']), ...header })
    .sign(privateKey)
}

export type Form = Readonly<Record<string, string>>

export interface TokenAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Readonly<Record<string, unknown>>
}

/** Posts to the token endpoint of a service on plain HTTP. */
export async function askToken(
  world: TestService,
  form: Form,
  headers: Record<string, string> = {},
): Promise<TokenAnswer> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', ...form }).toString()
  const answer = await world.api('POST', '/oauth/token', {
    token: null,
    body,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(Buffer.byteLength(body)),
      ...headers,
    },
  })
  return { ...answer, body: (answer.json ?? {}) as Record<string, unknown> }
}

export function withAssertion(client_assertion: string): Form {
  const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
  return { client_assertion, client_assertion_type }
}

export function basic(clientId: string, secret: string): Record<string, string> {
  return { authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` }
}

/** What a program is registered with. */
export const keyOf = ({ jwk }: ProgramKey) => ({
  method: 'private_key_jwt',
  jwks: { keys: [jwk] },
})
export const SECRET = { method: 'client_secret_basic' }

/** A party beside the one that the installation belongs to, and a token of its administrator. */
export async function addParty(world: TestService, name: string) {
  const invited = await world.api('POST', '/api/v1/invitations', {
    json: { name, roles: ['owner'] },
  })
  const { code } = invited.json as { code: string }
  const joined = await world.api('POST', '/api/v1/parties', { token: code })
  const { party, token } = joined.json as { party: { id: string }; token: string }
  return { id: party.id, token }
}
