/**
 * Answers FDO messages, whatever carried them: has the role take its step, commits what the step
 * wants, and only then hands out the answer. An error ends the run it belongs to and no other.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import {
  ERROR_MESSAGE,
  PeerRefusal,
  errorMessage,
  parseErrorMessage,
} from '../../protocol/error-message.ts'
import { FdoError, RepeatError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/message.ts'
import { DatabaseUnavailable } from '../database/unavailable.ts'
import type { Source } from '../http/source.ts'
import type { Counter } from '../measures.ts'
import { Metrics } from '../metrics.ts'
import type { Tracer } from '../tracing/tracer.ts'
import { InTurn } from './in-turn.ts'
import { guidOf, protocolOf } from './mounted-role.ts'
import { TooManyMessages, isPutOff } from './put-off.ts'
import { RunBook } from './run-book.ts'
import { type Authorized, type RunServices, Runs } from './runs.ts'
import type { Chapter, Told } from './told.ts'
import type { Turn } from './turn.ts'

export interface FdoRequest extends Authorized {
  readonly source: Source
  /** W3C Trace Context: what the peer does it for. */
  readonly traceparent?: string | undefined
}

export interface FdoAnswer {
  /** Null where there is nothing to say: to a peer's own Error. */
  readonly message: Message | null
  readonly authorization: string | undefined
}

/** No answer is held back longer than this, whatever the step says. */
const MOST_HOLD_MS = 30_000
/** A database that restarts, or gives place to another, is back by then: each try waits for it itself. */
const TRIES = 6
const BETWEEN_TRIES_MS = 1_000
/** More messages than this at once are not taken up: better some answered than all timed out. */
const MOST_AT_ONCE = 1_000
/** One message that takes long may have its own reasons; so many have them in common. */
const A_FEW = 10

export interface ExchangeServices extends RunServices {
  /** Without it nobody is told the figures. */
  readonly metrics?: Metrics
  readonly tracer?: Tracer | undefined
}

export class Exchange {
  readonly #services: ExchangeServices
  readonly #book: RunBook
  readonly #runs: Runs
  readonly #inTurn = new InTurn()
  readonly #released = new AbortController()
  readonly #counts: Counter
  /** Those that are being dealt with, the oldest first. */
  readonly #underWay = new Set<{ readonly since: number }>()

  constructor(services: ExchangeServices) {
    this.#services = services
    const { metrics = new Metrics() } = services
    this.#book = new RunBook({ ...services, metrics })
    this.#counts = metrics.counter('firstlight_fdo_messages_total', 'FDO messages', 'outcome')
    metrics.watch({
      ...{ name: 'firstlight_fdo_messages_in_progress', help: 'FDO messages being dealt with' },
      ...{ type: 'gauge', labels: [], samples: () => [[[], this.underWay]] },
    })
    this.#runs = new Runs(services)
  }

  /** How many messages are being dealt with. */
  get underWay(): number {
    return this.#underWay.size
  }

  /** For how long some of them have been already: whatever it is that they wait for is behind. */
  get takenMs(): number {
    let left = A_FEW
    for (const { since } of this.#underWay) if (--left === 0) return this.#now() - since
    return 0
  }

  /** Whether some role here takes messages of this number's protocol. */
  serves(number: number): boolean {
    const protocol = protocolOf(number)
    const { roles } = this.#services
    return number === ERROR_MESSAGE || roles.some(({ firstMessage }) => firstMessage === protocol)
  }

  /** Whether a run begins with it, of a role here. */
  beginsRun(number: number): boolean {
    return this.#services.roles.some(({ firstMessage }) => firstMessage === number)
  }

  /**
   * What goes wrong is answered with an Error message. Throws what puts the message off (PutOff)
   * and nothing else: the run stands where it stood, and whoever sends the message again gets on.
   */
  async answer(request: FdoRequest): Promise<FdoAnswer> {
    const mine = { since: this.#now() }
    this.#underWay.add(mine)
    let taken: { answer: FdoAnswer; holdMs: number }
    try {
      if (this.underWay > MOST_AT_ONCE) throw new TooManyMessages('too many messages at once')
      taken = await this.#takeWithPatience(request)
      this.#counts.add('answered')
    } catch (error) {
      if (isPutOff(error)) {
        this.#counts.add('failed')
        const { number: message, source } = request
        const facts = { message, source: source.address, reason: reasonOf(error) }
        this.#services.log.warn(facts, 'FDO message put off')
        throw error
      }
      return this.refuse(error, request.number, request.source)
    } finally {
      this.#underWay.delete(mine)
    }
    if (taken.holdMs > 0) await this.#hold(taken.holdMs)
    return taken.answer
  }

  /** The peer learns the code; the log learns why, under the same correlation id. */
  refuse(error: unknown, number: number, source: Source): FdoAnswer {
    const { clock, log, randomBytes } = this.#services
    const correlationId = Buffer.from(randomBytes(4)).readUInt32BE()
    const facts = { message: number, source: source.address, correlationId }
    this.#counts.add(error instanceof FdoError ? 'refused' : 'failed')
    if (error instanceof FdoError) {
      log.info({ ...facts, code: error.code, reason: reasonOf(error) }, 'FDO message refused')
    } else {
      log.error({ ...facts, err: error }, 'FDO message failed')
    }
    const message = errorMessage(error, number, clock.now(), correlationId)
    return { message, authorization: undefined }
  }

  /** Sends off what is being held back; for a stop. */
  release(): void {
    this.#released.abort()
  }

  /** What another process of this service has to tell of a run. */
  hear(told: Told): void {
    this.#book.hear(told)
  }

  /** Drops what has expired, in the database too. */
  sweep(): Promise<void> {
    this.forget()
    return this.#runs.sweep()
  }

  /** What has expired of what this process keeps for itself. */
  forget(): void {
    this.#book.sweep()
    this.#runs.forget()
  }

  /**
   * The devices of others take being put off for the end of their run, and some try for a quarter of a
   * minute only before they give up for good: what goes on waits for the database.
   */
  async #takeWithPatience(request: FdoRequest): Promise<{ answer: FdoAnswer; holdMs: number }> {
    for (let left = this.beginsRun(request.number) ? 0 : TRIES - 1; ; left--) {
      try {
        return await this.#takeInTurn(request)
      } catch (error) {
        const mayWait = left > 0 && !this.#released.signal.aborted
        if (!(error instanceof DatabaseUnavailable && mayWait)) throw error
      }
      await this.#hold(BETWEEN_TRIES_MS)
    }
  }

  /**
   * Of equal messages that come at once the later ones find the answer: what a step does besides
   * its effects (issuing a certificate) is not done twice.
   */
  async #takeInTurn(request: FdoRequest): Promise<{ answer: FdoAnswer; holdMs: number }> {
    const { authorization } = request
    if (!authorization) return await this.#take(request)
    return await this.#inTurn.run(authorization, () => this.#take(request))
  }

  async #take(request: FdoRequest): Promise<{ answer: FdoAnswer; holdMs: number }> {
    if (request.number === ERROR_MESSAGE) return { answer: await this.#givenUp(request), holdMs: 0 }
    const turn = await this.#runs.turnOf(request)
    if ('message' in turn) return { answer: turn, holdMs: 0 }
    try {
      const step = await turn.role.answer(turn.held, request, request.source)
      const answer = await this.#runs.store(turn, step, request)
      if (answer.message === step.reply) {
        step.committed()
        const { next, guid } = step
        this.#book.answered(chapterOf(turn, request, guid), next && next.state.expects)
      }
      return { answer, holdMs: step.holdMs }
    } catch (error) {
      const isOver = !(error instanceof RepeatError || isPutOff(error))
      if (isOver) await this.#breakOff(turn, request, error)
      throw error
    }
  }

  /** The peer's own Error. Without a token of ours that still stands there is nothing to end. */
  async #givenUp(request: FdoRequest): Promise<FdoAnswer> {
    const { authorization, bytes, source } = request
    const refusal = readRefusal(bytes)
    const { log } = this.#services
    log.info({ said: refusal.peerError, source: source.address }, 'a peer gave up')
    try {
      const turn = await this.#runs.turnOfError(authorization)
      if (turn) await this.#breakOff(turn, request, refusal)
    } catch (error) {
      if (!(error instanceof FdoError)) throw error
    }
    return { message: null, authorization: undefined }
  }

  async #breakOff(turn: Turn, request: FdoRequest, error: unknown): Promise<void> {
    await this.#runs.breakOff(turn, error)
    const { held } = turn
    this.#book.failed(chapterOf(turn, request, guidOf(held)), held.state.expects, error)
  }

  #now(): number {
    return this.#services.clock.now().getTime()
  }

  async #hold(ms: number): Promise<void> {
    const { clock } = this.#services
    try {
      await clock.sleep(Math.min(ms, MOST_HOLD_MS), this.#released.signal)
    } catch {
      // Released early.
    }
  }
}

function chapterOf(
  { run, role }: Turn,
  { source, traceparent }: FdoRequest,
  guid: Bytes | undefined,
): Chapter {
  return { run, protocol: role.name, source: source.address, guid, traceparent }
}

/** A reason with the reasons below it. */
function reasonOf(error: Error): string {
  const { message, cause } = error
  return cause instanceof Error ? `${message}: ${reasonOf(cause)}` : message
}

function readRefusal(bytes: Bytes): PeerRefusal {
  try {
    return new PeerRefusal(parseErrorMessage(bytes))
  } catch (error) {
    if (!(error instanceof FdoError)) throw error
    return new PeerRefusal({ code: 500, previousMessage: 0, text: 'an Error that cannot be read' })
  }
}
