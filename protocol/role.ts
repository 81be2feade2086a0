/**
 * A role is one party's side of one FDO protocol, as a pure state machine:
 * (state, message) → (next state, reply, effects). What it needs to know comes in through its
 * context; what it wants to change goes out as effects. It never touches a socket or a store.
 *
 * The party that asks (Device in DI, TO1 and TO2, Owner in TO0) has the same shape: a `begin`
 * gives its first step, and `reply` is then its next request, or null at the end.
 */
import type { Bytes } from './bytes.ts'
import { encode } from './cbor/cbor.ts'
import { scan } from './cbor/scan.ts'
import type { Schema } from './cbor/schema.ts'
import { FdoError } from './errors.ts'
import { type Message, type MessageType, bodyOf } from './message.ts'

/** A state names what it expects next; any other message is refused before it is parsed. */
export interface RoleState {
  readonly expects: string
}

export interface Step<State, Effect> {
  /** The state to keep for the next message; null once the protocol has ended. */
  readonly next: State | null
  readonly reply: Message | null
  /** What the caller must commit, in one transaction with `next`, before it sends `reply`. */
  readonly effects: readonly Effect[]
  /** How long the answer may be held back, when neither side has anything to say. */
  readonly holdMs?: number
}

export interface Handler<Before, State, Context, Effect> {
  readonly message: MessageType<unknown>
  step(
    state: Before,
    body: unknown,
    context: Context,
  ): Promise<Step<State, Effect>> | Step<State, Effect>
}

/** What each state accepts: mostly one message, sometimes two. */
export type Role<State extends RoleState, Context, Effect> = {
  readonly [Name in State['expects']]: readonly Handler<
    Extract<State, { expects: Name }>,
    State,
    Context,
    Effect
  >[]
}

export function on<Body, Before, State, Context, Effect>(
  message: MessageType<Body>,
  step: (
    state: Before,
    body: Body,
    context: Context,
  ) => Promise<Step<State, Effect>> | Step<State, Effect>,
): Handler<Before, State, Context, Effect> {
  return { message, step } as Handler<Before, State, Context, Effect>
}

/** Throws INVALID_MESSAGE_ERROR for a message out of turn, MESSAGE_BODY_ERROR for a malformed one. */
export async function receive<State extends RoleState, Context, Effect>(
  role: Role<State, Context, Effect>,
  state: State,
  message: Message,
  context: Context,
): Promise<Step<State, Effect>> {
  const handlers: Record<string, readonly Handler<State, State, Context, Effect>[]> = role
  const handler = handlers[state.expects]?.find((one) => one.message.number === message.number)
  if (!handler) {
    throw new FdoError('INVALID_MESSAGE_ERROR', `got ${message.number}, not ${state.expects}`)
  }
  return handler.step(state, bodyOf(handler.message, message.bytes), context)
}

/** Whether this state takes a message of this number. */
export function expectsMessage<State extends RoleState, Context, Effect>(
  role: Role<State, Context, Effect>,
  state: State,
  number: number,
): boolean {
  const handlers: Record<string, readonly Handler<State, State, Context, Effect>[]> = role
  return handlers[state.expects]?.some(({ message }) => message.number === number) ?? false
}

/** How the states of an answering role are packed between two messages: by position, not by name. */
export type StateSchemas<State extends RoleState> = {
  readonly [Name in State['expects']]: Schema<Omit<Extract<State, { expects: Name }>, 'expects'>>
}

export function packState<State extends RoleState>(
  schemas: StateSchemas<State>,
  state: State,
): Bytes {
  const names = Object.keys(schemas)
  const schema = schemas[state.expects as State['expects']] as unknown as Schema<State>
  return encode([names.indexOf(state.expects), schema.build(state)])
}

/** `packed` comes from packState: anything else is a bug, or a state of another version. */
export function unpackState<State extends RoleState>(
  schemas: StateSchemas<State>,
  packed: Bytes,
): State {
  const [index, fields] = scan(packed).items
  const name = Object.keys(schemas)[Number(index?.argument)] as State['expects'] | undefined
  if (name === undefined || !fields) throw new Error('not a packed state of this role')
  return { expects: name, ...schemas[name].parse(fields, name) } as unknown as State
}
