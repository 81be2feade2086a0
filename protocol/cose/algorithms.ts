/** The signature algorithms, one row each. RFC 9053, RFC 8812; FDO 1.1, "Public Key". */
import { constants } from 'node:crypto'

/** What a key is, which decides everything else: algorithms are the key's, never the message's. */
export type KeyKind = 'p256' | 'p384' | 'rsa2048' | 'rsa3072'

export interface SignatureAlgorithm {
  readonly name: 'ES256' | 'ES384' | 'RS256' | 'RS384' | 'PS256' | 'PS384'
  /** The COSE algorithm identifier. */
  readonly id: number
  /** For node:crypto. */
  readonly hash: 'sha256' | 'sha384'
  readonly padding?: number
  /** Bytes of an ECDSA signature r ‖ s; an RSA signature is as long as the modulus. */
  readonly signatureBytes?: number
  /** Fast enough to verify and sign without leaving the event loop. */
  readonly synchronous: boolean
}

const pss = { padding: constants.RSA_PKCS1_PSS_PADDING }

export const ES256 = row({ name: 'ES256', id: -7, hash: 'sha256', signatureBytes: 64 }, true)
export const ES384 = row({ name: 'ES384', id: -35, hash: 'sha384', signatureBytes: 96 }, false)
export const RS256 = row({ name: 'RS256', id: -257, hash: 'sha256' }, false)
export const RS384 = row({ name: 'RS384', id: -258, hash: 'sha384' }, false)
export const PS256 = row({ name: 'PS256', id: -37, hash: 'sha256', ...pss }, false)
export const PS384 = row({ name: 'PS384', id: -38, hash: 'sha384', ...pss }, false)

/** What a key of each kind may sign with; the first is what it signs with unless told otherwise. */
export const ALGORITHMS_OF: Record<
  KeyKind,
  readonly [SignatureAlgorithm, ...SignatureAlgorithm[]]
> = {
  p256: [ES256],
  p384: [ES384],
  rsa2048: [RS256, RS384, PS256],
  rsa3072: [RS384, RS256, PS384],
}

export function algorithmById(id: number): SignatureAlgorithm | undefined {
  return [ES256, ES384, RS256, RS384, PS256, PS384].find((algorithm) => algorithm.id === id)
}

function row(
  algorithm: Omit<SignatureAlgorithm, 'synchronous'>,
  synchronous: boolean,
): SignatureAlgorithm {
  return { ...algorithm, synchronous }
}
