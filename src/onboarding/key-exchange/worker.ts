/** What runs in the thread for Diffie-Hellman: raises one number after another. */
import { parentPort } from 'node:worker_threads'
import type { Bytes } from '../../../protocol/bytes.ts'
import { type DhName, GROUPS, power, share } from '../../../protocol/crypto/kex/dh.ts'
import { type ErrorCode, FdoError } from '../../../protocol/errors.ts'

/** The Owner's first half; the second where there is something received. */
export interface Task {
  readonly group: DhName
  readonly exponent: Bytes
  readonly received?: Bytes
}

export interface Question {
  readonly id: number
  readonly task: Task
}

/** An FdoError in its parts: as itself it would arrive as a plain Error, without its code. */
export type Outcome =
  | { readonly number: Bytes }
  | { readonly refusal: { readonly code: ErrorCode; readonly message: string; cause: unknown } }
  | { readonly failure: unknown }

export interface Answer {
  readonly id: number
  readonly outcome: Outcome
}

parentPort?.on('message', ({ id, task }: Question) => {
  const answer: Answer = { id, outcome: outcomeOf(task) }
  parentPort?.postMessage(answer)
})

function outcomeOf({ group: name, exponent, received }: Task): Outcome {
  const group = GROUPS[name]
  try {
    if (received === undefined) return { number: power(group, exponent) }
    return { number: share(group, exponent, received).shSe }
  } catch (error) {
    if (!(error instanceof FdoError)) return { failure: error }
    const { code, message, cause } = error
    return { refusal: { code, message, cause } }
  }
}
