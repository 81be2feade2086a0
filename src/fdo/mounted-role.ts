/** A protocol role joined to this service: where it starts, what it can look up, where it writes. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Message } from '../../protocol/message.ts'
import {
  type Role,
  type RoleState,
  type StateSchemas,
  expectsMessage,
  packState,
  receive,
  unpackState,
} from '../../protocol/role.ts'
import type { Executor } from '../database/connection.ts'
import type { Source } from '../http/source.ts'

export interface Mounting<State extends RoleState, Context, Effect extends { type: string }> {
  /** For logs and metrics: `DI`, `TO0`, `TO1`, `TO2`. */
  readonly name: string
  readonly role: Role<State, Context, Effect>
  readonly states: StateSchemas<State>
  /** The message that begins a run: 10, 20, 30 or 60. */
  readonly firstMessage: number
  readonly initialState: State
  /** The states kept in a row of the database; all others travel sealed in the token. */
  readonly rows: readonly State['expects'][]
  /** Called for every message; throws an FdoError to refuse the caller. */
  context(source: Source): Context | Promise<Context>
  /** Writes an effect, in the transaction that stores the next state. */
  write(effect: Effect, tx: Executor): Promise<void>
  /** Told how far a run has come, in that transaction, too; after its effects. */
  moved?(moved: Moved<State>, tx: Executor): Promise<void> | undefined
  /** The effects that must survive a power cut before the peer is answered. */
  readonly durable?: readonly Effect['type'][]
  /** Told of each effect after the commit, for events; must not throw. */
  committed?(effect: Effect, source: Source): void
  /** Told, before the peer is, that the effects could not be written: why, and from where they came. */
  refused?(effects: readonly Effect[], error: unknown, source: Source): Promise<void>
  /**
   * Told that a run with a row was broken off, in the transaction that ends the row: by an error of
   * ours (the FdoError, or a bug) or by the peer's message 255 (a PeerRefusal).
   */
  brokenOff?(state: State, error: unknown, tx: Executor): Promise<void>
}

/** The state that a message led to, and how long its answer is held back. */
export interface Moved<State> {
  readonly next: State
  readonly message: number
  readonly holdMs: number
}

/** A state between two messages: as the role knows it, and as it is stored. */
export interface HeldState {
  readonly state: RoleState
  readonly packed: Bytes
}

/** A mounted role as the exchange sees it: what is in its states is its own affair. */
export interface MountedRole {
  readonly name: string
  readonly firstMessage: number
  readonly initialState: HeldState
  /** Whether some of its states are kept in rows. */
  readonly keepsRows: boolean
  /** The state that was stored as these bytes. */
  unpack(packed: Bytes): HeldState
  /** Whether a message of this number may come next. */
  expects(held: HeldState, number: number): boolean
  answer(held: HeldState, message: Message, source: Source): Promise<Answer>
  brokenOff(held: HeldState, error: unknown, tx: Executor): Promise<void>
}

export interface Answer {
  readonly reply: Message
  /** The state to keep, or null once the protocol has ended. */
  readonly next: HeldState | null
  /** Whether `next` belongs in a row. */
  readonly inRow: boolean
  readonly holdMs: number
  readonly hasEffects: boolean
  /** Of the device it is about, as far as that is known by now. */
  readonly guid: Bytes | undefined
  readonly durable: boolean
  /** Writes the effects; to be called in the transaction that stores `next`. */
  write(tx: Executor): Promise<void>
  /** To be called after the commit, */
  committed(): void
  /** or after it has failed. */
  refused(error: unknown): Promise<void>
}

export function mount<State extends RoleState, Context, Effect extends { type: string }>(
  mounting: Mounting<State, Context, Effect>,
): MountedRole {
  const { name, role, states, firstMessage, initialState, rows } = mounting
  const durable = new Set<string>(mounting.durable)
  const inRows = new Set<string>(rows)

  const stateOf = (held: HeldState) => held.state as State
  const hold = (state: State): HeldState => ({ state, packed: packState(states, state) })

  return {
    name,
    firstMessage,
    initialState: hold(initialState),
    keepsRows: rows.length > 0,
    unpack: (packed) => ({ state: unpackState(states, packed), packed }),
    expects: (held, number) => expectsMessage(role, stateOf(held), number),

    async answer(held, message, source) {
      const state = stateOf(held)
      const context = await mounting.context(source)
      const { reply, next, effects, holdMs } = await receive(role, state, message, context)
      if (!reply) throw new Error(`${name}: message ${message.number} was left without an answer`)
      return {
        reply,
        next: next === state ? held : next && hold(next),
        inRow: next !== null && inRows.has(next.expects),
        holdMs: holdMs ?? 0,
        hasEffects: effects.length > 0,
        guid: guidIn(next, state, ...effects),
        durable: effects.some(({ type }) => durable.has(type)),
        async write(tx) {
          for (const effect of effects) await mounting.write(effect, tx)
          if (!next || !mounting.moved) return
          const moved = { next, message: message.number, holdMs: holdMs ?? 0 }
          await mounting.moved(moved, tx)
        },
        committed() {
          for (const effect of effects) mounting.committed?.(effect, source)
        },
        async refused(error) {
          await mounting.refused?.(effects, error, source)
        },
      }
    },

    async brokenOff(held, error, tx) {
      await mounting.brokenOff?.(stateOf(held), error, tx)
    },
  }
}

/** Of the device that a held state is about, where it says so. */
export function guidOf({ state }: HeldState): Bytes | undefined {
  return guidIn(state)
}

interface AboutDevice {
  readonly guid?: Bytes
  readonly run?: { readonly guid?: Bytes }
}

/** What states and effects have in common: they name the device themselves, or by their run. */
function guidIn(...all: readonly (object | null)[]): Bytes | undefined {
  for (const one of all) {
    const { guid, run } = (one ?? {}) as AboutDevice
    const found = guid ?? run?.guid
    if (found) return found
  }
  return undefined
}

/** DI is 10 to 13, TO0 20 to 23, TO1 30 to 33, TO2 60 to 71: named by its first message. */
export function protocolOf(number: number): number {
  return number >= 60 && number < 80 ? 60 : Math.floor(number / 10) * 10
}
