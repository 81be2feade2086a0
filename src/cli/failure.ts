/** How a command ends when it does not succeed: an exit status, a cause and the next step. */

/** The exit statuses scripts rely on. */
export const EXIT = {
  failed: 1,
  usage: 2,
  refused: 3,
  unreachable: 4,
  'check-failed': 5,
  authentication: 6,
  'timed-out': 7,
} as const

export type FailureKind = keyof typeof EXIT

export class CliFailure extends Error {
  override readonly name = 'CliFailure'
  readonly kind: FailureKind
  /** A stable word for scripts; the kind unless something narrower is known. */
  readonly code: string
  /** What the person can do about it. */
  readonly next: string | undefined

  constructor(
    kind: FailureKind,
    message: string,
    details: { code?: string; next?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause })
    this.kind = kind
    this.code = details.code ?? kind
    this.next = details.next
  }

  get exitStatus(): number {
    return EXIT[this.kind]
  }
}

const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
])

/** Any error as a failure with an exit status: network errors are told apart from the rest. */
export function failureOf(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error
  const { code, message } = error as { code?: unknown; message?: string }
  if (typeof code === 'string' && UNREACHABLE.has(code)) {
    return new CliFailure('unreachable', message || code, {
      code: 'unreachable',
      next: 'check that the address is right and the service is running',
      cause: error,
    })
  }
  if (code === 'ETIMEDOUT') return new CliFailure('timed-out', message || 'timed out')
  if (code === 'ENOENT' || code === 'EACCES' || code === 'EISDIR') {
    return new CliFailure('failed', message || String(code), { code: 'file', cause: error })
  }
  return new CliFailure('failed', message ?? String(error), { cause: error })
}
