/** The key that signs access tokens, as the rest of the world sees it. RFC 7517; RFC 7638. */
import { type KeyObject, hash } from 'node:crypto'
import type { Signer } from '../../protocol/crypto/signer.ts'

export const TOKEN_KEY_PURPOSE = 'token-signing'

export interface SigningKey {
  readonly signer: Signer
  readonly publicKey: KeyObject
  /** The thumbprint of its public half. */
  readonly kid: string
  readonly publicJwk: Readonly<Record<string, string>>
}

/** `signer` is of a P-256 key: access tokens are signed with ES256. */
export function signingKeyOf(signer: Signer): SigningKey {
  if (signer.algorithm.name !== 'ES256') throw new Error(`access tokens by ${signer.key.kind}`)
  const publicKey = signer.key.keyObject
  const { crv = '', kty = '', x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const kid = hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url')
  return { signer, publicKey, kid, publicJwk: { kty, use: 'sig', alg: 'ES256', kid, crv, x, y } }
}
