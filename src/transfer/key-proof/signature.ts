/** Signatures as people make them by hand: whatever `openssl dgst -sign` writes, and ours. */
import { constants, verify } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { VerifyKey } from '../../../protocol/crypto/verify-key.ts'

/** What each kind of key signs a challenge with. */
const HASHES = { p256: 'sha256', p384: 'sha384', rsa2048: 'sha256', rsa3072: 'sha384' } as const

export function hashFor({ kind }: Pick<VerifyKey, 'kind'>): 'sha256' | 'sha384' {
  return HASHES[kind]
}

/** ECDSA as DER or r ‖ s, RSA by PKCS#1 v1.5 or PSS with salt of any length. */
export function isSignedBy(key: VerifyKey, data: Bytes, signature: Bytes): boolean {
  const { keyObject } = key
  const forms =
    keyObject.asymmetricKeyType === 'ec'
      ? [
          { key: keyObject, dsaEncoding: 'der' as const },
          { key: keyObject, dsaEncoding: 'ieee-p1363' as const },
        ]
      : [
          { key: keyObject, padding: constants.RSA_PKCS1_PADDING },
          {
            key: keyObject,
            padding: constants.RSA_PKCS1_PSS_PADDING,
            saltLength: constants.RSA_PSS_SALTLEN_AUTO,
          },
        ]
  return forms.some((form) => verify(hashFor(key), data, form, signature))
}
