/**
 * Agents for node:http and node:https whose every connection goes to an address that was looked at
 * just before: a name may stand for something else each time it is asked for.
 */
import type { LookupAddress } from 'node:dns'
import { type AgentOptions, type ClientRequestArgs, Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type LookupFunction, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { kindOf } from '../addresses.ts'
import { OutboundFailure } from './failure.ts'
import type { Names } from './names.ts'
import type { OutboundPolicy } from './policy.ts'

export type OutboundTls = SecureContextOptions & { readonly rejectUnauthorized?: boolean }

export type OutboundPool = Pick<AgentOptions, 'keepAlive' | 'maxSockets'> & {
  readonly tls?: OutboundTls | undefined
}

/** Where a name leads, and whether one may go there. */
export interface Guard {
  readonly policy: OutboundPolicy
  readonly names: Pick<Names, 'lookup'>
}

/** What a call by one of these agents may say beside the usual. */
export interface GuardedArgs extends ClientRequestArgs {
  /** For whom: see Names. */
  readonly party?: string | undefined
}

export function guardedAgent(
  guard: Guard,
  secure: boolean,
  { tls, ...pool }: OutboundPool,
): HttpAgent {
  return secure ? new GuardedHttps(guard, { ...pool, ...tls }) : new GuardedHttp(guard, pool)
}

/** The addresses a host stands for, as far as they may be connected to; throws if none may. */
export async function permittedAddresses(
  { policy, names }: Guard,
  { host, port, party }: { readonly host: string; readonly port: number; readonly party?: string },
): Promise<LookupAddress[]> {
  const family = isIP(host)
  const all = family === 0 ? await names.lookup(host, party) : [{ address: host, family }]
  const permitted = all.filter(({ address }) => policy.permits(host, port, address))
  if (permitted.length === 0) throw forbidden(host, all[0]?.address ?? host)
  return permitted
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
  readonly #guard: Guard

  constructor(guard: Guard, options: AgentOptions) {
    super(options)
    this.#guard = guard
  }

  override createConnection(options: ClientRequestArgs, made?: Made) {
    const checked = guarded(this.#guard, options, made)
    return checked && super.createConnection(checked, made)
  }
}

class GuardedHttps extends HttpsAgent {
  readonly #guard: Guard

  constructor(guard: Guard, options: AgentOptions & OutboundTls) {
    super(options)
    this.#guard = guard
  }

  override createConnection(options: ClientRequestArgs, made?: Made) {
    const checked = guarded(this.#guard, options, made)
    return checked && super.createConnection(checked, made)
  }
}

/** The same options with a lookup that refuses; undefined, and `made` told, for a bad address. */
function guarded(
  guard: Guard,
  options: GuardedArgs,
  made: Made | undefined,
): ClientRequestArgs | undefined {
  const host = options.host ?? 'localhost'
  const port = Number(options.port)
  const { party } = options
  // An address is connected to without any lookup.
  if (isIP(host) !== 0 && !guard.policy.permits(host, port, host)) {
    made?.(forbidden(host, host), undefined as unknown as Duplex)
    return undefined
  }
  const lookup: LookupFunction = (name, { all }, found) => {
    permittedAddresses(guard, { host: name, port, ...(party !== undefined && { party }) }).then(
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
