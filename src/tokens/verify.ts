/** What our own APIs check of an access token, and of the certificate it is bound to. */
import { hash, timingSafeEqual } from 'node:crypto'
import { errors, jwtVerify } from 'jose'
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

export interface VerifyServices {
  readonly issuer: string
  readonly audience: string
  readonly key: SigningKey
  readonly pki: Pick<Pki, 'findActiveCertificate'>
  readonly findDevice: FindDevice
  readonly now: () => Date
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
  if (!claims || !certificate || !isBoundTo(claims.confirmation, certificate)) return undefined
  const client = await findClient(services, certificate)
  if (client?.deviceId !== claims.deviceId) return undefined
  return { ...client, granted: knownScopes(parseScopes(claims.scope)) }
}

interface Claims {
  readonly deviceId: string
  readonly scope: string
  readonly confirmation: string
}

/** RFC 9068, section 4: by our key and algorithm, whatever the token's header would like. */
async function readToken(services: VerifyServices, token: string): Promise<Claims | undefined> {
  const { issuer, audience, key, now } = services
  try {
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: ['ES256'],
      typ: 'at+jwt',
      issuer,
      audience,
      currentDate: now(),
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id', 'cnf'],
    })
    const { sub = '', client_id, scope = '', cnf } = payload
    if (client_id !== sub || typeof scope !== 'string') return undefined
    const confirmation = thumbprintIn(cnf)
    return confirmation === undefined ? undefined : { deviceId: sub, scope, confirmation }
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

function thumbprintIn(confirmation: unknown): string | undefined {
  if (typeof confirmation !== 'object' || confirmation === null) return undefined
  if (!('x5t#S256' in confirmation)) return undefined
  const thumbprint = confirmation['x5t#S256']
  return typeof thumbprint === 'string' ? thumbprint : undefined
}

/** RFC 8705, section 3. */
function isBoundTo(thumbprint: string, certificate: Bytes): boolean {
  const expected = Buffer.from(hash('sha256', certificate, 'base64url'))
  const actual = Buffer.from(thumbprint)
  return actual.length === expected.length && timingSafeEqual(actual, expected)
}
