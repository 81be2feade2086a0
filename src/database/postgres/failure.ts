/** What a failure of PostgreSQL means for who asked. */
import { codeOf } from '../portable.ts'
import { DatabaseUnavailable } from '../unavailable.ts'

/**
 * The transaction came between others: nothing of it has happened, and another try may see it
 * through. 55P03: a lock was held for too long.
 */
const COLLISIONS = ['40001', '40P01', '55P03']

/**
 * The connection is lost, or was never made. 08…: by the protocol; 57P01 to 57P05: the server goes
 * down or comes up; 53300: it has no connection to spare; 25P03: we kept a transaction waiting.
 */
const LOSSES = /^(08...|57P0[1-5]|53300|25P03|E(CONN|PIPE|HOST|NET|TIMEDOUT|AI_).*)$/

/** Of pg and pg-pool, which give these no code. */
const LOSS_TEXTS =
  /^(Connection terminated|Connection ended|Client has encountered|Client was closed|Query read timeout|timeout e)/

/** Nothing has happened, and may yet. */
export function isPassing(error: unknown): boolean {
  return COLLISIONS.includes(codeOf(error) ?? '') || isSpoilt(error)
}

/** The connection it came from is of no more use. */
export function isSpoilt(error: unknown): boolean {
  return isLoss(error) || isStale(error)
}

export function isLoss(error: unknown): boolean {
  const code = codeOf(error)
  if (code !== undefined) return LOSSES.test(code)
  return error instanceof Error && LOSS_TEXTS.test(error.message)
}

/** A table has changed since the connection prepared its statements. */
function isStale(error: unknown): boolean {
  return codeOf(error) === '0A000' && String(error).includes('cached plan')
}

/** 42501: the user may not; 25006: nobody may, on a standby or where all is read-only. */
const FORBIDDEN = ['42501', '25006']

/** Until somebody grants it. */
export function isForbidden(error: unknown): boolean {
  return FORBIDDEN.includes(codeOf(error) ?? '')
}

/** Whoever asks again learns whether it had come to pass. */
export class OutcomeUnknown extends DatabaseUnavailable {
  override readonly name = 'OutcomeUnknown'
  /** SQLSTATE transaction_resolution_unknown. */
  readonly code = '08007'

  constructor(options: ErrorOptions) {
    super(
      options,
      'the database was lost while it committed: asked again, it tells what became of it',
    )
  }
}
