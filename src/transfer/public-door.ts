/** What every route has in common that partners' programs call: limits, request ids, errors, a log. */
import type { IncomingMessage } from 'node:http'
import { networkOf } from '../addresses.ts'
import type { Clock } from '../clock.ts'
import { type Rate, RateLimit } from '../http/rate-limit.ts'
import { HERE, IncomingSource, type TrustedProxies } from '../http/source.ts'
import type { Log } from '../log.ts'
import { TransferRefusal, json, refusalOf, requestIdOf, tooMany } from './answer.ts'
import type { PartyPort } from './ports.ts'

/** Below a party's own address, as go-fdo has them below the root. */
export const PUSH_ROOT = '/api/v1/vouchers'
export const PULL_ROOT = '/api/v1/pull/vouchers'

/** What a party's address ends in. */
export function partyPath(party: string): string {
  return `/transfer/${party}`
}

/** Wrong tokens from one network; a good one always gets through. */
const GUESSES: Rate = { perSecond: 10, burst: 300 }
/** Handshakes begun from one network: each costs us a signature and a row. */
const HANDSHAKES: Rate = { perSecond: 2, burst: 60 }

export interface DoorServices {
  readonly clock: Clock
  readonly log: Log
  readonly trustedProxies: TrustedProxies
  readonly parties: Pick<PartyPort, 'isSuspended'>
}

export class PublicDoor {
  readonly #services: DoorServices
  readonly #guesses: RateLimit
  readonly #handshakes: RateLimit

  constructor(services: DoorServices) {
    this.#services = services
    this.#guesses = new RateLimit(GUESSES, services.clock)
    this.#handshakes = new RateLimit(HANDSHAKES, services.clock)
  }

  /** At the address of a party: nobody deals with one that is suspended. */
  answerFor(
    party: string,
    request: Request,
    incoming: IncomingMessage | undefined,
    handle: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    return this.answer(request, incoming, async (admitted) => {
      if (await this.#services.parties.isSuspended(party)) {
        throw new TransferRefusal(404, 'there is nobody here at present')
      }
      return handle(admitted)
    })
  }

  /** Whatever goes wrong becomes an answer; bugs are logged, and their text stays here. */
  async answer(
    request: Request,
    incoming: IncomingMessage | undefined,
    handle: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    const began = performance.now()
    const requestId = requestIdOf(request)
    const response = await this.#handled(request, requestId, handle)
    response.headers.set('x-request-id', requestId)
    response.headers.set('x-content-type-options', 'nosniff')
    this.#services.log.info(
      {
        request: requestId,
        method: request.method,
        path: new URL(request.url).pathname,
        status: response.status,
        ms: Math.round(performance.now() - began),
        source: this.#addressOf(incoming),
      },
      'request',
    )
    return response
  }

  async #handled(
    request: Request,
    requestId: string,
    handle: (request: Request) => Promise<Response>,
  ): Promise<Response> {
    try {
      return await handle(request)
    } catch (error) {
      const refusal = refusalOf(error)
      if (!refusal) this.#services.log.error({ err: error, request: requestId }, 'failed')
      const { status = 500, message = 'internal error', headers = {} } = refusal ?? {}
      return json(status, { error: message, request_id: requestId }, { ...headers })
    }
  }

  /** Throws a 429 for one that guesses too much. */
  countGuess(incoming: IncomingMessage | undefined): void {
    this.#count(this.#guesses, incoming)
  }

  countHandshake(incoming: IncomingMessage | undefined): void {
    this.#count(this.#handshakes, incoming)
  }

  #count(limit: RateLimit, incoming: IncomingMessage | undefined): void {
    const wait = limit.take(networkOf(this.#addressOf(incoming)))
    if (wait > 0) throw tooMany(wait)
  }

  #addressOf(incoming: IncomingMessage | undefined): string {
    const { trustedProxies } = this.#services
    return (incoming ? new IncomingSource(incoming, trustedProxies) : HERE).address
  }
}
