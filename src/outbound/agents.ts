/**
 * Agents for node:http and node:https whose every connection goes to an address that was looked at
 * just before: a name may stand for something else each time it is asked for.
 */
import { lookup as lookupAddresses } from 'node:dns/promises'
import type { LookupAddress } from 'node:dns'
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type LookupFunction, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { kindOf } from '../addresses.ts'
import { Slots } from '../slots.ts'
import { OutboundFailure } from './failure.ts'
import type { OutboundPolicy } from './policy.ts'

export type OutboundTls = SecureContextOptions & { readonly rejectUnauthorized?: boolean }

export type OutboundPool = Pick<AgentOptions, 'keepAlive' | 'maxSockets'> & {
  readonly tls?: OutboundTls | undefined
}

/** Resolving takes one of Node's few threads for as long as a slow name server likes. */
const LOOKUPS_AT_ONCE = 2
const lookups = new Slots(LOOKUPS_AT_ONCE)

export function guardedAgent(
  policy: OutboundPolicy,
  secure: boolean,
  { tls, ...pool }: OutboundPool,
): HttpAgent {
  return secure ? new GuardedHttps(policy, { ...pool, ...tls }) : new GuardedHttp(policy, pool)
}

/** The addresses a host stands for, as far as they may be connected to; throws if none may. */
export async function permittedAddresses(
  policy: OutboundPolicy,
  host: string,
  port: number,
): Promise<LookupAddress[]> {
  const all = await resolve(host)
  const permitted = all.filter(({ address }) => policy.permits(host, port, address))
  if (permitted.length === 0) throw forbidden(host, all[0]?.address ?? host)
  return permitted
}

async function resolve(host: string): Promise<LookupAddress[]> {
  const family = isIP(host)
  if (family !== 0) return [{ address: host, family }]
  return lookups.run(() => lookupAddresses(host, { all: true }))
}

function forbidden(host: string, address: string): OutboundFailure {
  const kind = kindOf(address)
  const what = kind === 'special' ? 'an address for special purposes' : `a ${kind} address`
  return new OutboundFailure(
    'forbidden',
    `${host} is ${what}, and not called from here: see FIRSTLIGHT_OUTBOUND_ALLOW`,
  )
}

type Made = (error: Error | null, socket: Duplex) => void

class GuardedHttp extends HttpAgent {
  readonly #policy: OutboundPolicy

  constructor(policy: OutboundPolicy, options: AgentOptions) {
    super(options)
    this.#policy = policy
  }

  override createConnection(options: ClientRequestArgs, made?: Made) {
    const guarded = guard(this.#policy, options, made)
    return guarded && super.createConnection(guarded, made)
  }
}

class GuardedHttps extends HttpsAgent {
  readonly #policy: OutboundPolicy

  constructor(policy: OutboundPolicy, options: AgentOptions & OutboundTls) {
    super(options)
    this.#policy = policy
  }

  override createConnection(options: ClientRequestArgs, made?: Made) {
    const guarded = guard(this.#policy, options, made)
    return guarded && super.createConnection(guarded, made)
  }
}

/** The same options with a lookup that refuses; undefined, and `made` told, for a bad address. */
function guard(
  policy: OutboundPolicy,
  options: ClientRequestArgs,
  made: Made | undefined,
): ClientRequestArgs | undefined {
  const host = options.host ?? 'localhost'
  const port = Number(options.port)
  // An address is connected to without any lookup.
  if (isIP(host) !== 0 && !policy.permits(host, port, host)) {
    made?.(forbidden(host, host), undefined as unknown as Duplex)
    return undefined
  }
  const lookup: LookupFunction = (name, { all }, found) => {
    permittedAddresses(policy, name, port).then(
      (addresses) => {
        const [{ address, family } = { address: name, family: 0 }] = addresses
        if (all) found(null, addresses)
        else found(null, address, family)
      },
      (error: NodeJS.ErrnoException) => found(error, []),
    )
  }
  return { ...options, lookup }
}
