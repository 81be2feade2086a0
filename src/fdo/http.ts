/**
 * FDO's HTTP transport on Node's own request and response: fetch's would cost as much again as
 * everything else here.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Bytes } from '../../protocol/bytes.ts'
import { EMPTY } from '../../protocol/bytes.ts'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import { FdoError } from '../../protocol/errors.ts'
import { IncomingSource, type TrustedProxies } from '../http/source.ts'
import type { Load } from '../load.ts'
import type { Exchange, FdoAnswer, FdoRequest } from './exchange.ts'
import { protocolOf } from './mounted-role.ts'
import { Pace } from './pace.ts'
import { TooManyMessages, isPutOff } from './put-off.ts'

/** FDO 1.1: no message is longer, on any transport. */
const MOST_MESSAGE_BYTES = 65_535
/** In which a message must have come. */
const SLOWEST_BODY_MS = 15_000
/** What is still read of a message refused for its length, so that its sender sees the answer. */
const MOST_DISCARDED_BYTES = 1 << 20
/** Whose messages are held in memory until it is their turn. */
const MOST_WAITING = 2_000

/** What stands before a message's number in its path. */
export const MESSAGE_PATH = '/fdo/101/msg/'
/** What may stand before that, followed by a station's secret, in DI. */
const STATION_PATH = '/station/'
const MOST_SECRET_LETTERS = 64
/** The first message of DI's protocol. */
const DI = 10

export interface FdoHttpServices {
  readonly exchange: Exchange
  readonly trustedProxies: TrustedProxies
  readonly load: Load
  readonly pace?: Pace
  readonly slowestBodyMs?: number
}

export class FdoHttp {
  readonly #exchange: Exchange
  readonly #trustedProxies: TrustedProxies
  readonly #load: Load
  readonly #pace: Pace
  readonly #slowestBodyMs: number

  constructor({
    exchange,
    trustedProxies,
    load,
    pace = new Pace(),
    slowestBodyMs = SLOWEST_BODY_MS,
  }: FdoHttpServices) {
    this.#load = load
    this.#pace = pace
    this.#exchange = exchange
    this.#trustedProxies = trustedProxies
    this.#slowestBodyMs = slowestBodyMs
  }

  serves(number: number): boolean {
    return this.#exchange.serves(number)
  }

  /** Takes a message for a role served here; false, and nothing done, for any other request. */
  take(incoming: IncomingMessage, outgoing: ServerResponse): boolean {
    const { method, url = '' } = incoming
    if (method !== 'POST') return false
    const { secret, number = messageNumber(url) } = stationPath(url) ?? {}
    if (number === undefined || !this.serves(number)) return false
    void this.answer(number, incoming, outgoing, secret)
    return true
  }

  /**
   * Never rejects: what cannot be answered is cut off. Under load, runs that begin are put off; whatever
   * comes is while the database is away.
   */
  async answer(
    number: number,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    stationSecret?: string,
  ): Promise<void> {
    const mayNotBegin = this.#exchange.beginsRun(number) && !this.#load.mayBegin
    if (mayNotBegin) return this.#putOff(number, incoming, outgoing)
    const source = new IncomingSource(incoming, this.#trustedProxies, stationSecret)
    try {
      const answer = await this.#answerFor(number, incoming, source)
      if (answer) send(outgoing, answer)
      else this.#putOff(number, incoming, outgoing)
    } catch (error) {
      if (isPutOff(error)) return this.#putOff(number, incoming, outgoing)
      this.#exchange.refuse(error, number, source)
      outgoing.destroy()
    }
  }

  /** Without a word of FDO, and mostly unread: nothing is wrong with the message. */
  #putOff(number: number, incoming: IncomingMessage, outgoing: ServerResponse): void {
    const seconds = String(this.#load.turnAway(`message ${number}`))
    outgoing.writeHead(503, ['Content-Length', '0', 'Retry-After', seconds]).end()
    discardRest(incoming, this.#slowestBodyMs)
  }

  /** Undefined where a run would begin, and none may. */
  async #answerFor(
    number: number,
    incoming: IncomingMessage,
    source: IncomingSource,
  ): Promise<FdoAnswer | undefined> {
    let bytes: Bytes
    try {
      bytes = await readMessage(incoming, this.#slowestBodyMs)
    } catch (error) {
      discardRest(incoming, this.#slowestBodyMs)
      return this.#exchange.refuse(error, number, source)
    }
    const { authorization, traceparent } = incoming.headers
    const request = {
      ...{ number, bytes, authorization, source },
      ...(typeof traceparent === 'string' && { traceparent }),
    }
    if (!this.#exchange.beginsRun(number)) return this.#answerInTurn(request)
    // From here on it costs us something: who is slow to send it takes nobody else's place.
    if (!this.#load.begin()) return undefined
    try {
      return await this.#answerInTurn(request)
    } finally {
      this.#load.end()
    }
  }

  async #answerInTurn(request: FdoRequest): Promise<FdoAnswer> {
    if (this.#pace.length >= MOST_WAITING) throw new TooManyMessages('too many messages wait')
    const turn = this.#pace.turn()
    if (turn) await turn
    return await this.#exchange.answer(request)
  }
}

/** One to three digits after MESSAGE_PATH, and nothing else. */
function messageNumber(url: string): number | undefined {
  const digits = url.length - MESSAGE_PATH.length
  if (digits < 1 || digits > 3 || !url.startsWith(MESSAGE_PATH)) return undefined
  const number = url.slice(MESSAGE_PATH.length)
  return /^\d+$/.test(number) ? Number(number) : undefined
}

/** `/station/SECRET/fdo/101/msg/N`, for the messages of DI and for errors. */
function stationPath(url: string): { secret: string; number: number } | undefined {
  if (!url.startsWith(STATION_PATH)) return undefined
  const end = url.indexOf('/', STATION_PATH.length)
  if (end < 0 || end > STATION_PATH.length + MOST_SECRET_LETTERS) return undefined
  const number = messageNumber(url.slice(end))
  if (number === undefined) return undefined
  if (number !== ERROR_MESSAGE && protocolOf(number) !== DI) return undefined
  return { secret: url.slice(STATION_PATH.length, end), number }
}

/** Throws MESSAGE_BODY_ERROR for what is no message by its length, its type or its slowness. */
async function readMessage(incoming: IncomingMessage, slowestBodyMs: number): Promise<Bytes> {
  const { headers } = incoming
  const type = headers['content-type']
  const length = Number(headers['content-length'] ?? NaN)
  if (length > MOST_MESSAGE_BYTES) throw refused('too long')
  if (type !== undefined && !/^application\/cbor\b/i.test(type)) throw refused(`of type ${type}`)
  // Most messages come in one piece with their head, and are here before anything else runs.
  await null
  if (incoming.readableLength !== length) return await readPieces(incoming, slowestBodyMs)
  const bytes: Buffer | null = incoming.read()
  return bytes ?? EMPTY
}

function readPieces(incoming: IncomingMessage, slowestBodyMs: number): Promise<Bytes> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let length = 0
    // What has come while this process was busy is read before anybody is called slow.
    const timer = setTimeout(() => setImmediate(stop, 'too slow'), slowestBodyMs)
    const settle = () => {
      clearTimeout(timer)
      incoming.off('data', add).off('end', finish).off('close', abandon)
    }
    const stop = (reason: string) => {
      settle()
      reject(refused(reason))
    }
    const add = (part: Buffer) => {
      length += part.length
      parts.push(part)
      if (length > MOST_MESSAGE_BYTES) stop('too long')
    }
    const finish = () => {
      settle()
      resolve(parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts))
    }
    const abandon = () => stop('broken off')
    incoming.on('data', add).on('end', finish).on('close', abandon)
  })
}

/** Lets go what is still sent of a refused body, and the connection if that is much or slow. */
function discardRest(incoming: IncomingMessage, slowestBodyMs: number): void {
  if (incoming.complete || incoming.destroyed) return
  let discarded = 0
  const hangUp = () => incoming.socket.destroy()
  const timer = setTimeout(hangUp, slowestBodyMs)
  incoming.on('close', () => clearTimeout(timer))
  incoming.on('data', (part: Buffer) => {
    discarded += part.length
    if (discarded > MOST_DISCARDED_BYTES) hangUp()
  })
  incoming.resume()
}

function refused(reason: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `a body ${reason}`)
}

/** Clients need Content-Length, and do not read a chunked or compressed answer. */
function send(outgoing: ServerResponse, { message, authorization }: FdoAnswer): void {
  if (!message) {
    outgoing.writeHead(200, { 'Content-Length': 0 }).end()
    return
  }
  const { number, bytes } = message
  const headers = ['Content-Type', 'application/cbor', 'Content-Length', String(bytes.length)]
  headers.push('Message-Type', String(number))
  if (authorization) headers.push('Authorization', authorization)
  outgoing.writeHead(number === ERROR_MESSAGE ? 500 : 200, headers)
  // As text of one byte a letter it leaves in one write with its head.
  outgoing.end(latin1(bytes), 'latin1')
}

function latin1({ buffer, byteOffset, byteLength }: Bytes): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1')
}
