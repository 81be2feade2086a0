/** Why a call to somebody else's address came to nothing. */

export type OutboundReason =
  /** Not a public address, and none that the configuration allows. Nothing was sent. */
  'forbidden' | 'unreachable' | 'timed-out' | 'too-large' | 'redirected'

/** `message` is fit for whoever named the address. */
export class OutboundFailure extends Error {
  override readonly name = 'OutboundFailure'
  readonly reason: OutboundReason

  constructor(reason: OutboundReason, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}
