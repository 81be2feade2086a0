/** The answering party in memory: its state packed between two messages, its effects collected. */
import { errorMessage } from '../../protocol/error-message.ts'
import type { FdoTransport } from '../../protocol/converse.ts'
import {
  type Role,
  type RoleState,
  type StateSchemas,
  packState,
  receive,
  unpackState,
} from '../../protocol/role.ts'

export interface InMemory<Effect> {
  readonly transport: FdoTransport
  readonly effects: readonly Effect[]
  /** What it refused, in full; the peer is only told the code. */
  readonly errors: readonly unknown[]
}

export function inMemory<State extends RoleState, Context, Effect>(parts: {
  readonly role: Role<State, Context, Effect>
  readonly states: StateSchemas<State>
  readonly initial: State
  readonly context: Context
}): InMemory<Effect> {
  const { role, states, initial, context } = parts
  const effects: Effect[] = []
  const errors: unknown[] = []
  let packed = packState(states, initial)
  const transport: FdoTransport = async (message) => {
    try {
      const step = await receive(role, unpackState(states, packed), message, context)
      effects.push(...step.effects)
      if (step.next) packed = packState(states, step.next)
      if (!step.reply) throw new Error('a message left without an answer')
      return { message: step.reply, authorization: undefined }
    } catch (error) {
      errors.push(error)
      const reply = errorMessage(error, message.number, new Date(0))
      return { message: reply, authorization: undefined }
    }
  }
  return { transport, effects, errors }
}
