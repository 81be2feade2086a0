/**
 * Keys of parties that do not exist. An unknown party challenges as any other does, always by the
 * same key: a signature gives away the key it was made with, so one key for all would tell.
 */
import { createECDH, createHmac, createPrivateKey, randomBytes } from 'node:crypto'
import { type Signer, signerOf } from '../../../protocol/crypto/signer.ts'

const secret = randomBytes(32)

export function decoySigner(party: string): Signer {
  const ecdh = createECDH('prime256v1')
  // All but one in 2³² of all numbers of 256 bits are scalars of the curve; this leaves out those.
  const scalar = createHmac('sha256', secret).update(party).digest()
  scalar[0] = 0x7f & (scalar[0] ?? 0)
  ecdh.setPrivateKey(scalar)
  const point = ecdh.getPublicKey()
  const key = {
    kty: 'EC',
    crv: 'P-256',
    d: scalar.toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return signerOf(createPrivateKey({ key, format: 'jwk' }))
}
