/** Who is asking: a bearer token → Principal. Which tokens there are, main.ts says. */
import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { networkOf } from '../addresses.ts'
import type { Clock } from '../clock.ts'
import type { Permission } from './permissions.ts'
import { Problem } from './problem.ts'
import { RateLimit } from './rate-limit.ts'
import type { Source } from './source.ts'

export interface Principal {
  readonly id: string
  readonly name: string
  readonly kind: 'token' | 'client' | 'operator' | 'invitation'
  /** For whom it acts: it sees nothing of any other party. */
  readonly party: string
  readonly permissions: ReadonlySet<Permission>
}

/** Who it is among all parties: who signs for a party could give its callers any id. */
export function callerOf({ party, id }: Principal): string {
  return `${party} ${id}`
}

export type AppEnv = {
  Bindings: Partial<HttpBindings>
  Variables: {
    principal: Principal
    source: Source
    requestId: string
    /** Where it is said how to get a token for this: RFC 9728. */
    resourceMetadata: string | undefined
    /** Told of what goes wrong once an answer is on its way. */
    failed: (error: unknown) => void
  }
}

/** Undefined for a token that is not, or no longer, good for anything; `source` has shown it. */
export type FindPrincipal = (token: string, source: Source) => Promise<Principal | undefined>

/** Wrong tokens from one network; a good one always gets through. */
const GUESSES = { perSecond: 10, burst: 300 }
/** Calls of one caller. */
const CALLS = { perSecond: 500, burst: 2_000 }

/** Where a caller learns how to get a token for what it finds at this host. */
export type ResourceMetadata = (host: string) => string

export function authenticate(
  findPrincipal: FindPrincipal,
  clock: Clock,
  metadataAt?: ResourceMetadata,
): MiddlewareHandler<AppEnv> {
  const guesses = new RateLimit(GUESSES, clock)
  const calls = new RateLimit(CALLS, clock)
  return async (c, next) => {
    const resourceMetadata = metadataAt?.(c.req.header('host') ?? '')
    c.set('resourceMetadata', resourceMetadata)
    const token = bearerTokenOf(c)
    const principal = token === undefined ? undefined : await findPrincipal(token, c.var.source)
    if (!principal) {
      if (token !== undefined) refuseHaste(guesses.take(networkOf(c.var.source.address)))
      throw notAuthenticated(token, resourceMetadata)
    }
    refuseHaste(calls.take(callerOf(principal)))
    c.set('principal', principal)
    await next()
  }
}

/** Undefined where none was sent; empty for what can be no token. */
export function bearerTokenOf(c: Context): string | undefined {
  const [, sent] = /^Bearer(?: +(.*))?$/i.exec(c.req.header('authorization') ?? '') ?? []
  return sent === undefined || /^[\w.~+/-]+=*$/.test(sent) ? sent : ''
}

function refuseHaste(waitSeconds: number): void {
  if (waitSeconds === 0) return
  throw new Problem('too-many-requests', `try again in ${waitSeconds} s`, {
    headers: { 'retry-after': String(waitSeconds) },
  })
}

/** RFC 6750, section 3.1: no error code where no token was sent. */
export function notAuthenticated(
  token: string | undefined,
  resource_metadata: string | undefined,
): Problem {
  const error = token === undefined ? undefined : 'invalid_token'
  const detail =
    token === undefined ? 'send a token: Authorization: Bearer …' : 'this token is not valid'
  const headers = { 'www-authenticate': challenge({ error, resource_metadata }) }
  return new Problem('not-authenticated', detail, { headers })
}

/** What is lacking: a permission or a scope. */
export function notPermitted(
  scope: string,
  kind: 'permission' | 'scope',
  resource_metadata: string | undefined,
): Problem {
  const error = 'insufficient_scope'
  const headers = { 'www-authenticate': challenge({ error, scope, resource_metadata }) }
  return new Problem('not-permitted', `this token lacks the ${kind} ${scope}`, { headers })
}

/** RFC 6750, section 3, and RFC 9728, section 5.1. */
function challenge(about: Readonly<Record<string, string | undefined>>): string {
  const said = Object.entries(about).filter(([, value]) => value !== undefined)
  return `Bearer ${said.map(([name, value]) => `${name}="${value}"`).join(', ')}`.trimEnd()
}
