/** RendezvousInfo → what a Device, or an Owner, tries in which order. FDO 1.1, "RendezvousInfo". */
import type { Bytes } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { formatIp, parseIp } from './ip-address.ts'
import type { RendezvousDirective, RendezvousInfo } from './rendezvous-info.ts'
import { type DirectiveText, readDirective } from './rendezvous-text.ts'

/** The wait after the last directive failed, before the first is tried again. */
const DEFAULT_DELAY_SECONDS = 120
/** Waits vary by this part of their length, so that a fleet does not come back all at once. */
const DELAY_JITTER = 0.25

type Scheme = 'http' | 'https'

/** A host to connect to; a name may still stand for several addresses. */
export interface Target {
  readonly scheme: Scheme
  /** A DNS name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
  /** The base of the FDO path: `http://[::1]:8080`. */
  readonly url: string
}

export interface RendezvousAttempt {
  /** Of the directive in RendezvousInfo, from 0. */
  readonly index: number
  /** The targets are the Owner's own: go straight to TO2. */
  readonly bypass: boolean
  readonly targets: readonly Target[]
  /** To wait when every target has failed, before the next attempt; see waitMs. */
  readonly delaySeconds: number
  /** All the directive says, for those who heed certificate hashes or the medium. */
  readonly directive: DirectiveText
}

export interface SkippedDirective {
  readonly index: number
  readonly reason: string
}

export interface RendezvousPlan {
  readonly attempts: readonly RendezvousAttempt[]
  /** Directives that are not for this party, or that cannot be followed over HTTP. */
  readonly skipped: readonly SkippedDirective[]
}

export type Party = 'device' | 'owner'

/** For a Device: whom to ask, in order. For an Owner: where to register. */
export function planRendezvous(info: RendezvousInfo, party: Party): RendezvousPlan {
  const attempts: RendezvousAttempt[] = []
  const skipped: SkippedDirective[] = []
  for (const [index, wire] of info.entries()) {
    const directive = tryToRead(wire)
    const reason = reasonToSkip(directive, party)
    if (reason) skipped.push({ index, reason })
    else attempts.push(attemptOf(directive, index, party))
  }
  return { attempts: attempts.map(withDefaultDelay), skipped }
}

/** The wait after an attempt; `random` lies in [0, 1). */
export function waitMs(attempt: RendezvousAttempt, random: number): number {
  const factor = 1 + DELAY_JITTER * (2 * random - 1)
  return Math.round(attempt.delaySeconds * 1000 * factor)
}

function tryToRead(wire: RendezvousDirective): DirectiveText {
  try {
    return readDirective(wire)
  } catch (error) {
    if (error instanceof FdoError) return { invalid: error.message }
    throw error
  }
}

function reasonToSkip(directive: DirectiveText, party: Party): string | undefined {
  if (directive.invalid !== undefined) return directive.invalid
  if (directive.dev_only && party === 'owner') return 'for the device only'
  if (directive.owner_only && party === 'device') return 'for the owner only'
  if (directive.bypass && party === 'owner') return 'bypass: the device comes without rendezvous'
  if (directive.ext_rv !== undefined) return 'an external rendezvous mechanism'
  if (endpointsOf(directive, party).length === 0) return `not over HTTP: ${directive.protocol}`
  if (directive.dns === undefined && directive.ip === undefined) return 'neither DNS name nor IP'
  if (directive.dns !== undefined && !isHost(directive.dns)) return 'not a DNS name'
  if (portOf(directive, party) === 0) return 'port 0'
  return undefined
}

function attemptOf(directive: DirectiveText, index: number, party: Party): RendezvousAttempt {
  const ip = directive.ip === undefined ? undefined : parseIp(directive.ip)
  return {
    index,
    bypass: directive.bypass === true,
    targets: targetsOf(directive.dns, ip, endpointsOf(directive, party)),
    delaySeconds: directive.delay_seconds ?? 0,
    directive,
  }
}

/** With no delay named the next is tried at once; only the last has a default. */
function withDefaultDelay(
  attempt: RendezvousAttempt,
  i: number,
  all: readonly RendezvousAttempt[],
): RendezvousAttempt {
  const isLast = i === all.length - 1
  if (!isLast || attempt.directive.delay_seconds !== undefined) return attempt
  return { ...attempt, delaySeconds: DEFAULT_DELAY_SECONDS }
}

interface Endpoint {
  readonly scheme: Scheme
  readonly port: number
}

const SCHEMES_OF: Record<string, readonly Scheme[]> = {
  rest: ['https', 'http'],
  http: ['http'],
  https: ['https'],
}
const DEFAULT_PORT = { http: 80, https: 443 } as const

/** Divergence: without RVProtocol we use HTTPS, as Java and C do; go-fdo would use bare TLS. */
function endpointsOf(directive: DirectiveText, party: Party): readonly Endpoint[] {
  const schemes = SCHEMES_OF[directive.protocol ?? 'https'] ?? []
  const port = portOf(directive, party)
  return schemes.map((scheme) => ({ scheme, port: port ?? DEFAULT_PORT[scheme] }))
}

function portOf(directive: DirectiveText, party: Party): number | undefined {
  return party === 'device' ? directive.dev_port : directive.owner_port
}

/** DNS first, then IP, as all peers do. */
export function targetsOf(
  dns: string | undefined,
  ip: Bytes | undefined,
  endpoints: readonly Endpoint[],
): readonly Target[] {
  const hosts = [dns, ip && formatIp(ip)].filter((host) => host !== undefined)
  return hosts.flatMap((host) =>
    endpoints.map(({ scheme, port }) => ({ scheme, host, port, url: urlOf(scheme, host, port) })),
  )
}

function urlOf(scheme: Scheme, host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What may stand between `//` and `:` of a URL: a name with a slash or an @ could redirect. */
export function isHost(name: string): boolean {
  const isName = name.length <= 253 && /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(name)
  return isName || parseIp(name) !== undefined
}
