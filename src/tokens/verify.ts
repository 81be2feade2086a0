/** What our own APIs check of an access token, and of the certificate it is bound to, if it is. */
import { hash, timingSafeEqual } from 'node:crypto'
import { type JWTPayload, errors, jwtVerify } from 'jose'
import type { Bytes } from '../../protocol/bytes.ts'
import type { Pki } from '../pki/service.ts'
import type { DeviceClient, FindDevice } from './clients.ts'
import { type DeviceScope, knownScopes, parseScopes } from './scopes.ts'
import type { SigningKey } from './signing-key.ts'

/** A device that calls with a token of its own. */
export interface DeviceCaller extends DeviceClient {
  /** What the token carries. */
  readonly granted: readonly DeviceScope[]
}

export interface TokenVerifier {
  readonly issuer: string
  readonly audience: string | readonly string[]
  readonly key: SigningKey
  readonly now: () => Date
}

export interface VerifyServices extends TokenVerifier {
  readonly pki: Pick<Pki, 'findActiveCertificate'>
  readonly findDevice: FindDevice
}

/** The device whose certificate this is, if it is one of ours and the certificate in force. */
export async function findClient(
  { pki, findDevice }: Pick<VerifyServices, 'pki' | 'findDevice'>,
  certificate: Bytes | undefined,
): Promise<DeviceClient | undefined> {
  const active = certificate && (await pki.findActiveCertificate(certificate))
  const facts = active && (await findDevice(active.deviceId))
  return facts && { ...active, ...facts, certificate }
}

/** Undefined unless all of it holds together: token, certificate shown, and device. */
export async function findCaller(
  services: VerifyServices,
  token: string,
  certificate: Bytes | undefined,
): Promise<DeviceCaller | undefined> {
  const claims = await readToken(services, token)
  if (claims?.thumbprint === undefined || !isBoundTo(claims.thumbprint, certificate))
    return undefined
  const client = await findClient(services, certificate)
  if (client?.deviceId !== claims.clientId) return undefined
  return { ...client, granted: knownScopes(parseScopes(claims.scope)) }
}

export interface AccessTokenClaims {
  readonly clientId: string
  readonly scope: string
  /** Whom a program acts for. */
  readonly party: string | undefined
  /** Of the certificate that has to come with it; undefined for one that needs none. */
  readonly thumbprint: string | undefined
}

/** RFC 9068, section 4: by our key and algorithm, whatever the token's header would like. */
export async function readToken(
  { issuer, audience, key, now }: TokenVerifier,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer,
      audience: typeof audience === 'string' ? audience : [...audience],
      currentDate: now(),
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
    })
    return claimsOf(payload)
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

/** Undefined where what they say is none of what we write. */
function claimsOf({ sub = '', client_id, scope = '', party, cnf }: JWTPayload) {
  if (client_id !== sub || typeof scope !== 'string') return undefined
  if (party !== undefined && typeof party !== 'string') return undefined
  const thumbprint = thumbprintIn(cnf)
  if (cnf !== undefined && thumbprint === undefined) return undefined
  return { clientId: sub, scope, party, thumbprint }
}

function thumbprintIn(confirmation: unknown): string | undefined {
  if (typeof confirmation !== 'object' || confirmation === null) return undefined
  if (!('x5t#S256' in confirmation)) return undefined
  const thumbprint = confirmation['x5t#S256']
  return typeof thumbprint === 'string' ? thumbprint : undefined
}

/** RFC 8705, section 3. */
export function isBoundTo(thumbprint: string, certificate: Bytes | undefined): boolean {
  if (!certificate) return false
  const expected = Buffer.from(hash('sha256', certificate, 'base64url'))
  const actual = Buffer.from(thumbprint)
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}
