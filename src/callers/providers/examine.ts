/** Whether a token of an OpenID provider is accepted, who stands behind it, and why not. */
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose'
import type { Clock } from '../../clock.ts'
import { operatorId } from '../operator.ts'
import { KeysRefused, type PublicJwk, SIGNATURES } from '../public-keys.ts'
import type { RemoteKeys } from '../remote-documents.ts'
import { valuesOfClaim } from './claim.ts'

export const MOST_TOKEN_CHARS = 16 * 1024
const SKEW_SECONDS = 60
const MOST_SUBJECT_CHARS = 255
/** Of access tokens and ID tokens; other kinds of JWT are not for us, whoever signs them. */
const TYPES = ['jwt', 'at+jwt']

export interface Provider {
  readonly id: string
  readonly issuer: string
  readonly audience: string
  readonly jwksUri: string
  readonly claim: string
  /** Value of the claim → scopes. */
  readonly roles: ReadonlyMap<string, readonly string[]>
}

export type Examined =
  | { readonly accepted: false; readonly reason: string }
  | {
      readonly accepted: true
      readonly id: string
      readonly name: string
      /** What the claim says, mapped or not. */
      readonly values: readonly string[]
      readonly scopes: readonly string[]
    }

export interface ExamineServices {
  readonly keys: RemoteKeys
  readonly clock: Clock
}

export async function examine(
  services: ExamineServices,
  provider: Provider,
  token: string,
): Promise<Examined> {
  try {
    return accepted(provider, await verified(services, provider, token))
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof KeysRefused) {
      return { accepted: false, reason: reasonOf(error) }
    }
    throw error
  }
}

type Claims = Readonly<Record<string, unknown>>

/** What a token says of itself, to find the provider by. Nothing of it is verified. */
export interface Names {
  readonly issuer: string
  readonly audiences: readonly string[]
  /** Whether it names a provider by the id we gave it: in `aud`, or in the claim that is mapped. */
  isFor(provider: Pick<Provider, 'id' | 'claim'>): boolean
}

/** Undefined for what is no JWT of anybody. */
export function namesIn(token: string): Names | undefined {
  if (token.length > MOST_TOKEN_CHARS || token.split('.').length !== 3) return undefined
  try {
    const claims = decodeJwt(token)
    const { iss: issuer, aud = [] } = claims
    const audiences = Array.isArray(aud) ? aud : [aud]
    if (issuer === undefined) return undefined
    const isFor = ({ id, claim }: Pick<Provider, 'id' | 'claim'>) =>
      audiences.includes(id) || valuesOfClaim(claims, claim).includes(id)
    return { issuer, audiences, isFor }
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined
    throw error
  }
}

/** With the keys we have, and once more with newer ones where none fits. */
async function verified(
  { keys, clock }: ExamineServices,
  { issuer, audience, jwksUri }: Provider,
  token: string,
): Promise<Claims> {
  if (token.length > MOST_TOKEN_CHARS) throw new errors.JWTInvalid('too long')
  checkType(token)
  const withKeys = async (set: readonly PublicJwk[]) => {
    const getKey = createLocalJWKSet({ keys: set.map((key) => ({ ...key })) })
    const { payload } = await jwtVerify(token, getKey, {
      algorithms: SIGNATURES,
      issuer,
      audience,
      clockTolerance: SKEW_SECONDS,
      currentDate: clock.now(),
      requiredClaims: ['exp', 'sub'],
    })
    return payload
  }
  const known = await keys.at(jwksUri)
  try {
    return await withKeys(known)
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) throw error
    const newest = await keys.newestAt(jwksUri)
    if (newest === known) throw error
    return withKeys(newest)
  }
}

function checkType(token: string): void {
  const { typ = 'jwt' } = decodeHeader(token)
  if (!TYPES.includes(typ.toLowerCase().replace(/^application\//, ''))) {
    throw new errors.JWTInvalid(`typ ${JSON.stringify(typ)}: no access token and no ID token`)
  }
}

function decodeHeader(token: string): { readonly typ?: string } {
  try {
    const { typ } = decodeProtectedHeader(token)
    return typeof typ === 'string' ? { typ } : {}
  } catch (cause) {
    // It throws a TypeError for what anyone may send.
    throw new errors.JWTInvalid('not a JWT', { cause })
  }
}

function accepted({ id, claim, roles }: Provider, claims: Claims): Examined {
  const { sub, preferred_username, email } = claims
  if (typeof sub !== 'string' || !isPrintable(sub)) {
    return { accepted: false, reason: 'sub: not 1 to 255 printable characters' }
  }
  const values = valuesOfClaim(claims, claim)
  const names = [preferred_username, email].filter((one) => typeof one === 'string')
  return {
    accepted: true,
    id: operatorId(id, sub),
    name: names.find(isPrintable) ?? sub,
    values,
    scopes: [...new Set(values.flatMap((value) => roles.get(value) ?? []))],
  }
}

/** They are logged and shown. */
function isPrintable(text: string): boolean {
  return text.length <= MOST_SUBJECT_CHARS && /^\P{C}+$/u.test(text)
}

function reasonOf(error: errors.JOSEError | KeysRefused): string {
  if (error instanceof errors.JWKSNoMatchingKey) {
    return 'none of the keys of the provider is meant: look at kid and alg in the header'
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return 'several keys of the provider fit, and the header names none by its kid'
  }
  return error.message
}
