/** What a token step asks of whoever issues access tokens. */
import type { Bytes } from '../bytes.ts'

/** Makes access tokens that are worth what the device's certificate is: nothing before Done. */
export interface TokenIssuer {
  /** Throws TokenRefusal. */
  issue(certificate: Bytes, wanted: WantedToken): Promise<DeviceToken>
}

export interface WantedToken {
  /** Where it is to be used; null for where devices use theirs. */
  readonly audience: string | null
  /** What it may carry at most; null for all that the device holds. */
  readonly scopes: readonly string[] | null
}

export interface DeviceToken {
  /** As a token endpoint answers: RFC 6749, section 5.1. */
  readonly document: Bytes
  readonly scopes: readonly string[]
}

/** Thrown by a TokenIssuer: the step fails, and its plan decides what follows. */
export class TokenRefusal extends Error {
  override readonly name = 'TokenRefusal'
}
