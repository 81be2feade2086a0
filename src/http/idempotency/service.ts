/**
 * A request that came with an Idempotency-Key is carried out once, and answered the same each time.
 *
 * `begun` is committed before it is carried out; `effected` in the transaction of its effect;
 * `done`, with the answer, after that. Where the process dies between, the repeat tells by the
 * state what there is: behind `begun` nothing has happened, and it is carried out; behind
 * `effected` it has, but the answer is lost, and that is what the repeat is told.
 */
import { hash, randomUUID } from 'node:crypto'
import { fromUtf8, utf8 } from '../../../protocol/bytes.ts'
import type { Clock } from '../../clock.ts'
import { alongside } from '../../database/alongside.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { IdempotencyTable } from '../../database/tables/http.ts'
import type { Sealer } from '../../secrets/seal.ts'
import { type Principal, callerOf } from '../authenticate.ts'
import { Problem, problemOf } from '../problem.ts'
import { leaseUntil, underLease } from './lease.ts'
import * as store from './store.ts'
import type { Runner } from './store.ts'

export interface IdempotencyServices {
  readonly database: Database
  readonly clock: Clock
  /** Answers may hold what is shown once, such as a token. */
  readonly sealer: Sealer
}

/** What makes two requests the same. */
export interface KeyedRequest {
  readonly principal: Principal
  readonly key: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly contentType: string
  readonly body: Uint8Array
}

export interface KeyedAnswer {
  readonly status: number
  readonly contentType: string | null
  readonly body: string
}

const KEPT_MS = 24 * 3_600_000

export class Idempotency {
  readonly #services: IdempotencyServices

  constructor(services: IdempotencyServices) {
    this.#services = services
  }

  /** What `work` answers, or answered before. Only what succeeded is remembered. */
  async once(request: KeyedRequest, work: () => Promise<KeyedAnswer>): Promise<KeyedAnswer> {
    const { database } = this.#services
    const runner = randomUUID()
    const earlier = await database.commit((tx) => this.#claim(tx, request, runner))
    if (earlier) return this.#answerOf(earlier)
    const name = { principal: callerOf(request.principal), key: request.key, runner }
    try {
      return await underLease(this.#services, name, async () => {
        const answer = await alongside(async (tx) => {
          if ((await store.noteEffect.run(tx, name)) === 0) throw inProgress(1)
        }, work)
        await this.#keep(name, answer)
        return answer
      })
    } catch (error) {
      await database.commit((tx) => forget(tx, name, error))
      throw error
    }
  }

  /** Forgets what is older than a day. */
  async sweep(): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now().toISOString()
    await database.commit((tx) => store.removeExpired.run(tx, { now }))
  }

  /** The earlier request of the same name, where it has been answered; else this one is on record. */
  async #claim(
    tx: Executor,
    request: KeyedRequest,
    runner: string,
  ): Promise<IdempotencyTable | undefined> {
    const now = this.#services.clock.now()
    const { principal, key } = request
    const name = { principal: callerOf(principal), key }
    const earlier = await store.findRequest.first(tx, name)
    const requestHash = hashOf(request)
    if (earlier && earlier.expires_at > now.toISOString()) {
      if (earlier.request_hash !== requestHash) throw reused()
      if (earlier.state === 'done') return earlier
      const left = Date.parse(earlier.lease_until) - now.getTime()
      if (left > 0) throw inProgress(Math.ceil(left / 1000))
      if (earlier.state === 'effected') throw answerLost()
    }
    await store.removeRequest.run(tx, name)
    await store.insertRequest.run(tx, {
      ...{ ...name, party: principal.party, request_hash: requestHash, state: 'begun', runner },
      ...{ status: null, content_type: null, answer: null },
      lease_until: leaseUntil(this.#services.clock),
      expires_at: new Date(now.getTime() + KEPT_MS).toISOString(),
    })
    return undefined
  }

  async #keep(name: Runner, { status, contentType, body }: KeyedAnswer): Promise<void> {
    const { database, sealer } = this.#services
    const answer = sealer.seal(contextOf(name), utf8(body))
    await database.commit((tx) =>
      store.keepAnswer.run(tx, { ...name, status, contentType, answer }),
    )
  }

  #answerOf(row: IdempotencyTable): KeyedAnswer {
    const sealed = row.answer ?? new Uint8Array(0)
    const body = this.#services.sealer.open(contextOf(row), sealed)
    if (!body || row.status === null) throw answerLost()
    return { status: row.status, contentType: row.content_type, body: fromUtf8(body) }
  }
}

/** One that was refused has come to nothing. Of one that failed otherwise the record tells. */
async function forget(tx: Executor, name: Runner, error: unknown): Promise<void> {
  const isRefused = problemOf(error).code !== 'internal-error'
  const remove = isRefused ? store.removeRefused : store.removeWithoutEffect
  await remove.run(tx, name)
}

function hashOf({ method, target, contentType, body }: KeyedRequest): string {
  const head = JSON.stringify([method, target, contentType])
  return hash('sha256', `${head}${hash('sha256', body, 'hex')}`, 'hex')
}

export function contextOf({ principal, key }: Pick<Runner, 'principal' | 'key'>): string {
  return `idempotency ${JSON.stringify([principal, key])}`
}

function reused(): Problem {
  return new Problem(
    'idempotency-key-reused',
    'another request came with this Idempotency-Key: make a new key for each',
  )
}

function inProgress(seconds: number): Problem {
  return new Problem('in-progress', 'this very request is being carried out', {
    headers: { 'retry-after': String(seconds) },
  })
}

function answerLost(): Problem {
  return new Problem(
    'answer-lost',
    'it was carried out, but the service ended before it answered: look at what is there',
  )
}
