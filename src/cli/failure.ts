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
  'EPROTO',
])

const FILE_ERRORS = new Set([
  'ENOENT',
  'EACCES',
  'EEXIST',
  'EISDIR',
  'ENOTDIR',
  'ENOSPC',
  'EPERM',
  'EROFS',
])

/** Any error as a failure with an exit status: what the peer, the network or a check says. */
export function failureOf(error: unknown): CliFailure {
  if (error instanceof CliFailure) return error
  const message = error instanceof Error ? error.message : String(error)
  // By their names: not every command has loaded FDO.
  if (error instanceof Error && error.name === 'PeerRefusal') {
    return new CliFailure('refused', message, { cause: error })
  }
  if (error instanceof Error && error.name === 'FdoError') {
    return new CliFailure('check-failed', message, { ...checkOf(error), cause: error })
  }
  if (error instanceof Error && error.name === 'OperationRefused') {
    const { code, next } = error as Error & { code: string; next?: string }
    return new CliFailure('failed', message, { code, ...(next && { next }), cause: error })
  }
  const code = systemCode(error)
  if (code !== undefined && isOfCertificate(code)) {
    return new CliFailure('unreachable', message, {
      code: 'certificate',
      next: "pass the service's CA with --ca (it is ca.pem in its data directory)",
      cause: error,
    })
  }
  if (code !== undefined && UNREACHABLE.has(code)) {
    return new CliFailure('unreachable', message || code, {
      next: 'check that the address is right and the service is running',
      cause: error,
    })
  }
  if (code === 'ETIMEDOUT') return new CliFailure('timed-out', message, { cause: error })
  if (code !== undefined && FILE_ERRORS.has(code)) {
    return new CliFailure('failed', message, { code: 'file', cause: error })
  }
  if (error instanceof Error && error.name === 'TransportError') {
    return new CliFailure('unreachable', message, { code: 'not-fdo', cause: error })
  }
  return new CliFailure('failed', message, { cause: error })
}

/** Which of the checks of a voucher it was, where it was one. */
function checkOf(error: Error): { readonly code?: string } {
  const { check } = error as { check?: unknown }
  return typeof check === 'string' ? { code: check } : {}
}

/** Why Node trusts no certificate of a peer, or not for this name. */
function isOfCertificate(code: string): boolean {
  if (code.startsWith('ERR_OSSL')) return false
  return code.includes('CERT') || code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
}

/** The code of the system error at the bottom: those who pass one on wrap it. */
function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : systemCode(error.cause)
}
