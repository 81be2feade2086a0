/** What an operator has to put right before a command on the service's own machine can go on. */
export class OperationRefused extends Error {
  override readonly name = 'OperationRefused'
  /** A stable word for scripts. */
  readonly code: string
  /** What to do about it. */
  readonly next: string | undefined

  constructor(
    code: string,
    message: string,
    { next, cause }: { next?: string; cause?: unknown } = {},
  ) {
    super(message, { cause })
    this.code = code
    this.next = next
  }
}
