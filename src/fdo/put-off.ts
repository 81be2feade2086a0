/** What keeps a message from being dealt with now, though nothing is wrong with it, nor with its run. */
import { DatabaseUnavailable } from '../database/unavailable.ts'

/** More messages are being dealt with than can be in time. */
export class TooManyMessages extends Error {
  override readonly name = 'TooManyMessages'
}

/** Whoever sends it again later gets on. */
export type PutOff = DatabaseUnavailable | TooManyMessages

export function isPutOff(error: unknown): error is PutOff {
  return error instanceof DatabaseUnavailable || error instanceof TooManyMessages
}
