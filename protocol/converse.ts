/** Drives the party that asks through one conversation, from its first message to its last. */
import { ERROR_MESSAGE, PeerRefusal, errorMessage, parseErrorMessage } from './error-message.ts'
import type { Message } from './message.ts'
import { type Role, type RoleState, type Step, receive } from './role.ts'

export interface Answer {
  readonly message: Message
  /** The token to bring with the next message; opaque. */
  readonly authorization: string | undefined
}

/** Sends a message to the other party and gives its answer, an Error message included. */
export type FdoTransport = (message: Message, authorization: string | undefined) => Promise<Answer>

export interface Conversation<State extends RoleState, Context, Effect> {
  readonly role: Role<State, Context, Effect>
  /** What the role's `begin` gave. */
  readonly first: Step<State, Effect>
  readonly context: Context
  readonly transport: FdoTransport
  /** For the Error message that tells the other party we broke off. */
  readonly now: () => Date
  /** Waits as long as a step wants its message held back; without it nothing is held back. */
  readonly wait?: (ms: number) => Promise<void>
}

/**
 * Gives the effects of all steps, in order. Throws a PeerRefusal for the other party's error, an
 * FdoError for one of ours, and what the transport throws.
 */
export async function converse<State extends RoleState, Context, Effect>(
  conversation: Conversation<State, Context, Effect>,
): Promise<readonly Effect[]> {
  const { role, first, context, transport, now } = conversation
  const effects = [...first.effects]
  let { next, reply } = first
  let authorization: string | undefined
  while (next && reply) {
    const answer = await transport(reply, authorization)
    // The token may be replaced by any answer, and is to be repeated where none is named.
    authorization = answer.authorization ?? authorization
    if (answer.message.number === ERROR_MESSAGE) {
      throw new PeerRefusal(parseErrorMessage(answer.message.bytes))
    }
    let step: Step<State, Effect>
    try {
      step = await receive(role, next, answer.message, context)
    } catch (error) {
      // A courtesy: the other party need not wait for the run to expire. It may well be gone.
      const farewell = errorMessage(error, answer.message.number, now())
      await transport(farewell, authorization).catch(() => {})
      throw error
    }
    effects.push(...step.effects)
    if (step.holdMs) await conversation.wait?.(step.holdMs)
    next = step.next
    reply = step.reply
  }
  return effects
}
