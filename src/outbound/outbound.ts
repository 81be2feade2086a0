/**
 * Calls to addresses that somebody else named. Where they lead is looked at before each connection,
 * redirects are not followed unless asked for, and an answer may be only so long and take so long.
 */
import {
  type ClientRequest,
  type Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Bytes } from '../../protocol/bytes.ts'
import { responseTo } from '../response.ts'
import {
  type Guard,
  type GuardedArgs,
  type OutboundPool,
  type OutboundTls,
  guardedAgent,
  permittedAddresses,
} from './agents.ts'
import { OutboundFailure } from './failure.ts'
import { Names } from './names.ts'
import type { OutboundPolicy } from './policy.ts'

export interface OutboundRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Bytes | string
  /** From the beginning to the last byte, redirects included. */
  readonly timeoutMs?: number
  /** Of the answer's body. */
  readonly maxBytes?: number
  /** How many redirects are followed: none, unless it says so. */
  readonly redirects?: number
  readonly tls?: OutboundTls
  /** For whom: what one party asks for holds up no other. */
  readonly party?: string | undefined
}

export interface OutboundAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Bytes
  /** Where it came from in the end. */
  readonly url: string
}

const TIMEOUT_MS = 30_000
const MOST_BYTES = 1 << 20
const CONNECTIONS = 8
/** Those that go on with the same method and body. */
const SAME_AGAIN = [307, 308]
const REDIRECTS = [301, 302, 303, ...SAME_AGAIN]
/** Meant for the origin they were sent to. */
const SECRET_HEADERS = ['authorization', 'cookie', 'proxy-authorization']

export class Outbound {
  readonly #guard: Guard
  readonly #agents = new Map<boolean, HttpAgent>()
  readonly #calls = new Set<ClientRequest>()
  #isClosed = false

  constructor(policy: OutboundPolicy, names: Names = new Names()) {
    this.#guard = { policy, names }
  }

  /** See OutboundPolicy. */
  admitOwn(url: string): void {
    this.#guard.policy.admitOwn(url)
  }

  /** Throws an OutboundFailure for a URL that is none, or leads where it may not. */
  async check(url: string, party?: string): Promise<void> {
    const { hostname, port: given, protocol } = parse(url)
    const port = Number(given) || (protocol === 'https:' ? 443 : 80)
    const place = { host: bare(hostname), port, ...(party !== undefined && { party }) }
    try {
      await permittedAddresses(this.#guard, place)
    } catch (error) {
      throw failureOf(error, hostname)
    }
  }

  /** Why this may not be called; undefined where it may, or where its name is not known by now. */
  async forbids(url: string, party?: string): Promise<string | undefined> {
    try {
      await this.check(url, party)
    } catch (error) {
      if (!(error instanceof OutboundFailure)) throw error
      return error.reason === 'forbidden' ? error.message : undefined
    }
  }

  /** For who speaks HTTP by himself: all connections of this agent are checked. */
  agent(url: string, pool: OutboundPool = {}): HttpAgent {
    return guardedAgent(this.#guard, url.startsWith('https:'), pool)
  }

  /** Throws an OutboundFailure where there is no answer, whatever its status. */
  async request(url: string, options: OutboundRequest = {}): Promise<OutboundAnswer> {
    const deadline = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS)
    const { redirects = 0 } = options
    let target = parse(url)
    let asked = options
    for (let followed = 0; ; followed++) {
      const answer = await this.#once(target, asked, deadline)
      const location = REDIRECTS.includes(answer.status) ? answer.headers.location : undefined
      if (location === undefined) return answer
      const next = redirected(target, location, asked, answer.status)
      if (followed >= redirects) throw new OutboundFailure('redirected', tooFar(target, redirects))
      asked = next.asked
      target = next.target
    }
  }

  /** Breaks off what is under way; nothing is called any more. */
  close(): void {
    this.#isClosed = true
    for (const call of this.#calls) call.destroy(new Error('broken off: the service stops'))
    for (const agent of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  async #once(url: URL, options: OutboundRequest, signal: AbortSignal): Promise<OutboundAnswer> {
    if (this.#isClosed) throw new OutboundFailure('unreachable', `${url.host}: the service stops`)
    const { method = 'GET', body = '', tls, maxBytes = MOST_BYTES, party } = options
    const secure = url.protocol === 'https:'
    const own = tls && this.agent(url.href, { tls })
    const headers = { ...options.headers, 'content-length': String(Buffer.byteLength(body)) }
    const agent = own ?? this.#shared(secure)
    const args: GuardedArgs = { method, headers, agent, signal, party }
    const call = (secure ? httpsRequest : httpRequest)(url, args)
    this.#calls.add(call)
    try {
      call.end(body)
      const response = await responseTo(call)
      const bytes = await readBody(response, maxBytes)
      const { statusCode: status = 0, headers } = response
      return { status, headers, body: bytes, url: url.href }
    } catch (error) {
      call.destroy()
      if (signal.aborted) throw new OutboundFailure('timed-out', `${url.host}: no answer in time`)
      throw failureOf(error, url.host)
    } finally {
      this.#calls.delete(call)
      own?.destroy()
    }
  }

  #shared(secure: boolean): HttpAgent {
    const known = this.#agents.get(secure)
    if (known) return known
    const pool = { keepAlive: true, maxSockets: CONNECTIONS }
    const made = guardedAgent(this.#guard, secure, pool)
    this.#agents.set(secure, made)
    return made
  }
}

function parse(url: string): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    throw new OutboundFailure('forbidden', 'not an http or https URL')
  }
  if (parsed.username !== '' || parsed.password !== '') {
    throw new OutboundFailure('forbidden', 'a URL with a user name or password in it')
  }
  return parsed
}

/** What to ask where a redirect leads; throws where it is not to be followed, however often. */
function redirected(from: URL, location: string, asked: OutboundRequest, status: number) {
  const refused = (why: string) =>
    new OutboundFailure('redirected', `${from.host} redirects ${why}: not followed`)
  if (!URL.canParse(location, from.href)) throw refused('to what is no URL')
  const target = parse(new URL(location, from.href).href)
  if (from.protocol === 'https:' && target.protocol !== 'https:') throw refused('to plain HTTP')
  const { method = 'GET' } = asked
  if (!SAME_AGAIN.includes(status) && !['GET', 'HEAD'].includes(method)) {
    throw refused(`a ${method} to another page`)
  }
  if (target.origin === from.origin) return { target, asked }
  const kept = Object.entries(asked.headers ?? {}).filter(
    ([name]) => !SECRET_HEADERS.includes(name.toLowerCase()),
  )
  // Nor is a client certificate shown to others.
  const { tls: _, ...rest } = asked
  return { target, asked: { ...rest, headers: Object.fromEntries(kept) } }
}

function tooFar({ host }: URL, redirects: number): string {
  return redirects === 0
    ? `${host} redirects elsewhere: not followed`
    : `${host} redirects once more after ${redirects}`
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Bytes> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBytes) {
      throw new OutboundFailure('too-large', `an answer of more than ${maxBytes} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}

function failureOf(error: unknown, host: string): OutboundFailure {
  if (error instanceof OutboundFailure) return error
  const text = error instanceof Error ? error.message || error.name : String(error)
  return new OutboundFailure('unreachable', `${host}: ${text}`, { cause: error })
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1')
}
