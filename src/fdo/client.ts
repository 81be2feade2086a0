/** Sends FDO messages to another service over HTTP, and hands back its answers. */
import {
  type AgentOptions,
  type IncomingMessage,
  Agent as HttpAgent,
  request as httpRequest,
} from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { SecureContextOptions } from 'node:tls'
import { type Bytes, EMPTY } from '../../protocol/bytes.ts'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import type { Answer, FdoTransport } from '../../protocol/converse.ts'
import type { Exchange } from './exchange.ts'
import { currentTraceparent } from '../tracing/current.ts'
import { type Source, HERE } from '../http/source.ts'
import { responseTo } from '../response.ts'
import { isPutOff } from './put-off.ts'

export type { FdoTransport }

/** Nobody answered, or not as an FDO service does. The next address may do better. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
}

/** It has too much to do, and wants to be asked again later. */
export class ServiceBusy extends TransportError {
  /** From now. */
  readonly retryAfterMs: number

  constructor(message: string, retryAfterMs: number) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

export interface HttpTransportOptions {
  /** The longest answer that is read. */
  readonly mostBytes?: number
  readonly timeoutMs?: number
  /** Connections kept open to one address. */
  readonly connections?: number
  /** For HTTPS: anchors, a client certificate. FDO itself does not need TLS to be trusted. */
  readonly tls?: SecureContextOptions & { readonly rejectUnauthorized?: boolean }
  /** Makes the connections, where `base` is not to be trusted; see Outbound. */
  readonly agentOf?: (base: string, pool: AgentPool) => HttpAgent
}

type AgentPool = Pick<AgentOptions, 'keepAlive' | 'maxSockets'> & Pick<HttpTransportOptions, 'tls'>

export interface HttpTransport {
  readonly send: FdoTransport
  close(): void
}

const MOST_BYTES = 65_535
const TIMEOUT_MS = 60_000
/** Where it does not say when, or nothing sensible. */
const USUAL_RETRY_MS = 5_000
const MOST_RETRY_SECONDS = 3_600

/** `base` is what comes before /fdo/101/msg/N. */
export function httpTransport(base: string, options: HttpTransportOptions = {}): HttpTransport {
  const { mostBytes = MOST_BYTES, timeoutMs = TIMEOUT_MS, connections = 4, tls } = options
  const { agentOf = plainAgent } = options
  const secure = base.startsWith('https:')
  const agent = agentOf(base, { keepAlive: true, maxSockets: connections, ...(tls && { tls }) })
  const request = secure ? httpsRequest : httpRequest
  const prefix = base.replace(/\/+$/, '')

  const send: FdoTransport = async ({ number, bytes }, authorization) => {
    const traceparent = currentTraceparent()
    const headers = {
      'Content-Type': 'application/cbor',
      'Content-Length': bytes.length,
      ...(authorization && { Authorization: authorization }),
      ...(traceparent && { traceparent }),
    }
    const url = `${prefix}/fdo/101/msg/${number}`
    const call = request(url, { method: 'POST', agent, headers, timeout: timeoutMs })
    const deadline = setTimeout(() => call.destroy(timedOut()), timeoutMs)
    try {
      call.end(bytes)
      call.on('timeout', () => call.destroy(timedOut()))
      const response = await responseTo(call)
      return replyOf(response, await readBody(response, mostBytes), number)
    } catch (cause) {
      call.destroy()
      if (cause instanceof TransportError) throw cause
      throw new TransportError(`${url}: ${textOf(cause)}`, { cause })
    } finally {
      clearTimeout(deadline)
    }
  }
  return { send, close: () => agent.destroy() }
}

function plainAgent(base: string, { tls, ...pool }: AgentPool): HttpAgent {
  return base.startsWith('https:') ? new HttpsAgent({ ...pool, ...tls }) : new HttpAgent(pool)
}

/** The services of this very process, without a socket between. */
export function inProcess(exchange: Exchange, source: Source = HERE): FdoTransport {
  return async ({ number, bytes }, authorization) => {
    const request = { number, bytes, authorization, source, traceparent: currentTraceparent() }
    const { message, ...reply } = await exchange.answer(request).catch(putOff)
    return { message: message ?? { number: ERROR_MESSAGE, bytes: EMPTY }, ...reply }
  }
}

/** As it would have come by HTTP. */
function putOff(cause: unknown): never {
  if (!isPutOff(cause)) throw cause
  throw new ServiceBusy(cause.message, USUAL_RETRY_MS)
}

async function readBody(response: IncomingMessage, mostBytes: number): Promise<Bytes> {
  const tooLong = () => new TransportError(`an answer of more than ${mostBytes} bytes`)
  if (Number(response.headers['content-length'] ?? 0) > mostBytes) throw tooLong()
  const parts: Buffer[] = []
  let length = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length
    if (length > mostBytes) throw tooLong()
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** Peers send their Error under 200 or 500, some without its type. */
function replyOf({ statusCode = 0, headers }: IncomingMessage, bytes: Bytes, sent: number): Answer {
  const { authorization } = headers
  if (statusCode === 503) {
    const seconds = Number(headers['retry-after'])
    const isSensible = seconds >= 0 && seconds <= MOST_RETRY_SECONDS
    throw new ServiceBusy('the service is busy', isSensible ? seconds * 1000 : USUAL_RETRY_MS)
  }
  const type = headers['message-type']
  const isError = type === undefined ? statusCode === 500 : Number(type) === ERROR_MESSAGE
  if (isError && bytes.length > 0) {
    return { message: { number: ERROR_MESSAGE, bytes }, authorization: undefined }
  }
  // The answer to our own Error is empty.
  if (sent === ERROR_MESSAGE)
    return { message: { number: ERROR_MESSAGE, bytes: EMPTY }, authorization: undefined }
  const number = typeof type === 'string' && /^\d{1,3}$/.test(type) ? Number(type) : undefined
  if (statusCode !== 200 || number === undefined) {
    throw new TransportError(
      `not an FDO service: status ${statusCode}, Message-Type ${type ?? 'missing'}`,
    )
  }
  return { message: { number, bytes }, authorization }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}

function timedOut(): Error {
  return Object.assign(new Error('timed out'), { code: 'ETIMEDOUT' })
}
