/** What goes wrong with a token, in words for whoever runs the service. Never holds a PIN. */
export class TokenError extends Error {
  override readonly name = 'TokenError'
  /** CKR_…, where the module gave one. */
  readonly code: string | undefined

  constructor(message: string, code?: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The CKR_… in what the module's binding throws. */
export function codeOf(error: unknown): string | undefined {
  if (error instanceof TokenError) return error.code
  return error instanceof Error ? /\bCKR_\w+/.exec(error.message)?.[0] : undefined
}

/** As a TokenError, what was being done before the code. */
export function asTokenError(doing: string, cause: unknown): TokenError {
  if (cause instanceof TokenError) return cause
  const code = codeOf(cause)
  const reason = code ?? (cause instanceof Error ? cause.message : String(cause))
  return new TokenError(`${doing}: ${reason}`, code, { cause })
}
