/**
 * Runs between one message and the next: where the state is found, how it is moved on, how it ends.
 * Sealed in the token at first, in a row later (decision 4 of the architecture).
 */
import { type Bytes, equalBytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/message.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Log } from '../log.ts'
import { type Answer, type HeldState, type MountedRole, protocolOf } from './mounted-role.ts'
import { RecentRuns } from './recent-runs.ts'
import {
  type Answered,
  REPEATED_FOR_MS,
  hashOf,
  isSame,
  movedOn,
  repeatOf,
  tombstoneUntil,
} from './repeat.ts'
import {
  type RowToken,
  SEALED_RUN_SECONDS,
  openSealed,
  parseToken,
  rowToken,
  runName,
  sealToken,
  secondsOf,
} from './sealed-session.ts'
import type { SealingKeys } from './sealing-keys.ts'
import { type SessionRow, SessionStore } from './store.ts'
import { type Storytellers, newRunId } from './told.ts'
import type { Turn, TurnRow } from './turn.ts'

export interface RunServices {
  readonly database: Database
  readonly keys: SealingKeys
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly roles: readonly MountedRole[]
  /** Undefined where this process is the whole service. */
  readonly storytellers?: Storytellers | undefined
}

/** A row lives this long after the answer that was given last. */
const IDLE_ROW_MS = 10 * 60_000
const SWEPT_AT_ONCE = 100

/** A message with the value of its `Authorization` header, with or without `Bearer `. */
export interface Authorized extends Message {
  readonly authorization: string | undefined
}

export class Runs {
  readonly #services: RunServices
  readonly #sessions = new SessionStore()
  readonly #recent = new RecentRuns()

  constructor(services: RunServices) {
    this.#services = services
  }

  /** What the message meets: a new run, a sealed state, a row; or the answer it once had. */
  async turnOf(request: Authorized): Promise<Turn | Answered> {
    const { clock, randomBytes, roles, storytellers } = this.#services
    const now = clock.now()
    const protocol = protocolOf(request.number)
    const served = roles.find(({ firstMessage }) => firstMessage === protocol)
    if (served && request.number === protocol) {
      const id = newRunId(randomBytes, storytellers)
      const run = { id, role: protocol, startedAt: secondsOf(now) }
      return { role: served, run, held: served.initialState, row: undefined }
    }
    return this.#recentTurn(request, protocol, now) ?? this.#turnByToken(request, served, now)
  }

  #recentTurn(request: Authorized, protocol: number, now: Date): Turn | undefined {
    const { authorization = '' } = request
    const turn = this.#recent.take(authorization, protocol, now.getTime())
    if (!turn?.row) return turn
    const { role, run, held, row } = turn
    const requestHash = hashOf(request)
    // A repeat finds its answer in the row.
    if (equalBytes(row.requestHash, requestHash)) return undefined
    return { role, run, held, row, requestHash }
  }

  async #turnByToken(
    request: Authorized,
    served: MountedRole | undefined,
    now: Date,
  ): Promise<Turn | Answered> {
    const token = parseToken(request.authorization)
    if (token.kind === 'row') return this.#turnInRow(token, request)
    const row = served?.keepsRows ? await this.#find(runName(token.runId)) : undefined
    if (row) return this.#turnWithFirstToken(token.runId, row, request)
    const { run, state } = await openSealed(this.#services.keys, token, now)
    const role = this.#roleFor(run.role, request.number)
    return { role, run, held: role.unpack(state), row: undefined }
  }

  /** The turn that a peer's own Error takes; undefined where no row is waiting for a message. */
  async turnOfError(authorization: string | undefined): Promise<Turn | undefined> {
    const token = parseToken(authorization)
    this.#recent.drop(authorization)
    if (token.kind !== 'row') return undefined
    const name = runName(token.runId)
    const row = await this.#find(name)
    return row?.version === token.version ? this.#openRow(token.runId, name, row) : undefined
  }

  /**
   * Commits the step, then gives the answer. Of two equal messages the slower gets the answer of
   * the faster; its own is never sent.
   */
  async store(turn: Turn, step: Answer, request: Authorized): Promise<Answered> {
    const { database } = this.#services
    const { run, role } = turn
    const { durable, reply, next } = step
    if (!turn.row && !step.inRow) {
      if (step.hasEffects) await this.#write(step)
      return { message: reply, authorization: await this.#sealed(turn, next, request) }
    }
    const { name, version } = turn.row ?? { name: runName(run.id), version: 0 }
    const row = await this.#rowAfter(turn, { name, version: version + 1 }, step, request)
    const write = async (tx: Executor) => {
      const isFirst = turn.row
        ? await this.#sessions.advance(tx, name, version, row)
        : await this.#sessions.insert(tx, name, row)
      if (isFirst) await step.write(tx)
      return isFirst
    }
    const isFirst = await database.commit(write, { durable })
    if (isFirst) {
      const authorization = rowToken(run.id, row.version)
      if (next) {
        const after = { name, version: row.version, requestHash: row.request_hash }
        const turn = { role, run, held: next, row: after }
        this.#recent.keep(authorization, turn, Date.parse(row.expires_at))
      }
      return { message: reply, authorization }
    }
    const faster = await this.#find(name)
    if (!faster) throw new FdoError('INVALID_JWT_TOKEN', 'the run has ended meanwhile')
    return repeatOf(run.id, faster, version, request)
  }

  async #write(step: Answer): Promise<void> {
    const { database } = this.#services
    const { durable } = step
    await database
      .commit((tx) => step.write(tx), { durable })
      .catch(async (error: unknown) => {
        await step.refused(error)
        throw error
      })
  }

  /** The token that carries the next state, where there is one and it has no row. */
  async #sealed(
    { role, run }: Turn,
    next: HeldState | null,
    { authorization = '' }: Authorized,
  ): Promise<string> {
    if (!next) return authorization
    const { keys, clock } = this.#services
    const token = await sealToken(keys, run, next.packed, clock.now())
    const turn = { role, run, held: next, row: undefined }
    this.#recent.keep(token.authorization, turn, token.expiresAt * 1000)
    return token.authorization
  }

  /** An error ends the run, if it has a row and that is still where this message found it. */
  async breakOff({ role, run, held, row }: Turn, error: unknown): Promise<void> {
    if (!row) return
    const { database, clock, log } = this.#services
    const now = clock.now()
    const times = { now: now.toISOString(), expires: tombstoneUntil(run, now) }
    const end = (tellRole: boolean) =>
      database.commit(async (tx) => {
        const ended = await this.#sessions.clear(tx, row.name, row.version, times)
        if (ended && tellRole) await role.brokenOff(held, error, tx)
      })
    try {
      await end(true).catch((cause: unknown) => {
        log.error({ err: cause, role: role.name }, 'the end of a run could not be told to its role')
        return end(false)
      })
    } catch (cause) {
      log.error({ err: cause, role: role.name }, 'a run could not be ended')
    }
  }

  /** Drops what has expired of what is kept in memory. */
  forget(): void {
    this.#recent.dropExpired(this.#services.clock.now().getTime())
  }

  /** Drops the rows that have expired, a few at a time: devices are waiting, too. */
  async sweep(): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now()
    const startedBefore = later(now, -SEALED_RUN_SECONDS * 1000)
    const drop = (tx: Executor) =>
      this.#sessions.dropExpired(tx, startedBefore, now.toISOString(), SWEPT_AT_ONCE)
    while ((await database.commit(drop)) === SWEPT_AT_ONCE);
  }

  async #turnInRow(token: RowToken, request: Authorized): Promise<Turn | Answered> {
    const name = runName(token.runId)
    const row = await this.#find(name)
    if (!row) throw new FdoError('INVALID_JWT_TOKEN', 'no such run, or long ended')
    this.#roleFor(row.role, request.number)
    const isNext = token.version === row.version && row.ended_at === null
    if (isNext && !isSame(row, request)) return this.#openRow(token.runId, name, row)
    return repeatOf(token.runId, row, token.version, request)
  }

  /**
   * From a device that keeps the first token it was given, what is no repeat is the next message;
   * what comes too late for this point of the run is refused, and ends nothing.
   */
  async #turnWithFirstToken(
    runId: Bytes,
    row: SessionRow,
    request: Authorized,
  ): Promise<Turn | Answered> {
    const role = this.#roleFor(row.role, request.number)
    if (row.ended_at !== null || isSame(row, request)) {
      return repeatOf(runId, row, row.version, request)
    }
    const turn = await this.#openRow(runId, runName(runId), row)
    if (!role.expects(turn.held, request.number)) throw movedOn()
    return turn
  }

  async #openRow(runId: Bytes, name: string, row: SessionRow): Promise<Turn> {
    const { keys, roles } = this.#services
    const role = roles.find(({ firstMessage }) => firstMessage === row.role)
    const state = row.state && (await keys.open(sealedFor(name, row.version), row.state))
    if (!role || !state) throw new FdoError('INVALID_JWT_TOKEN', 'the run has ended')
    const run = { id: runId, role: row.role, startedAt: secondsOf(new Date(row.started_at)) }
    const { version, request_hash: requestHash } = row
    return { role, run, held: role.unpack(state), row: { name, version, requestHash } }
  }

  /** A token of another protocol is as good as none. */
  #roleFor(firstMessage: number, number: number): MountedRole {
    const role = this.#services.roles.find((one) => one.firstMessage === firstMessage)
    if (role && protocolOf(number) === firstMessage) return role
    throw new FdoError('INVALID_JWT_TOKEN', `a token of the protocol of ${firstMessage}`)
  }

  async #find(name: string): Promise<SessionRow | undefined> {
    const { database, clock } = this.#services
    const row = await this.#sessions.find(database.db, name)
    const now = clock.now()
    if (!row || row.expires_at <= now.toISOString()) return undefined
    const isOver = row.ended_at !== null && row.ended_at <= later(now, -REPEATED_FOR_MS)
    return isOver ? { ...row, reply: null, reply_type: null } : row
  }

  async #rowAfter(
    { run, requestHash }: Turn,
    { name, version }: Pick<TurnRow, 'name' | 'version'>,
    step: Answer,
    request: Message,
  ): Promise<SessionRow> {
    const { keys, clock } = this.#services
    const now = clock.now()
    const ended = step.next === null
    return {
      role: run.role,
      state: step.next && (await keys.seal(sealedFor(name, version), step.next.packed)),
      version,
      request_hash: requestHash ?? hashOf(request),
      reply: step.reply.bytes,
      reply_type: step.reply.number,
      started_at: new Date(run.startedAt * 1000).toISOString(),
      ended_at: ended ? now.toISOString() : null,
      expires_at: ended ? tombstoneUntil(run, now) : later(now, IDLE_ROW_MS),
    }
  }
}

/** What a row's state is sealed for: that run, at that point. */
function sealedFor(name: string, version: number): string {
  return `fdo-session:${name}:${version}`
}

function later(time: Date, ms: number): string {
  return new Date(time.getTime() + ms).toISOString()
}
