/** FDOKeyAuth in memory: the recorded run of go-fdo's, and parties to make others with. */
import { createECDH, createPrivateKey } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { sayHello } from '../../protocol/key-auth/caller.ts'
import { type HolderContext, challengeCaller } from '../../protocol/key-auth/holder.ts'
import { pooledRandomBytes } from '../../src/randomness.ts'
import { ecKey } from './certificates.ts'
import { fixture, fromHex } from './wire.ts'

interface KeyAuthVector {
  readonly ownerD: string
  readonly holderD: string
  readonly sessionId: string
  readonly nonceServer: string
  readonly nonceCaller: string
  readonly hello: string
  readonly challenge: string
  readonly challengeSignature: string
  readonly prove: string
  readonly proveSignature: string
  readonly result: string
  readonly sentFingerprint: string
  readonly keyFingerprint: string
}

export const keyAuthVector = fixture<KeyAuthVector>('vectors/key-auth.json')

/** A P-256 Signer over a private scalar. */
export function signerOfScalar(hex: string): Signer {
  const ecdh = createECDH('prime256v1')
  ecdh.setPrivateKey(Buffer.from(hex, 'hex'))
  const point = ecdh.getPublicKey()
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: Buffer.from(hex, 'hex').toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url'),
  }
  return signerOf(createPrivateKey({ key: jwk, format: 'jwk' }))
}

/** Hands these out, one after the other. */
export function randomnessOf(...pieces: readonly string[]): (length: number) => Bytes {
  const left = pieces.map(fromHex)
  return (length) => {
    const piece = left.shift()
    if (piece?.length !== length) throw new Error(`no ${length} random bytes left`)
    return piece
  }
}

export const randomBytes = pooledRandomBytes()
export const NOW = new Date('2026-11-22T12:00:00Z')

export const owner = signerOf(ecKey())
export const holder = signerOf(ecKey())

export function holderContext(changes: Partial<HolderContext> = {}): HolderContext {
  return { signer: holder, randomBytes, now: NOW, serverInfo: null, ...changes }
}

/** Up to the Challenge. */
export async function challenged(signer: Signer = owner) {
  const said = sayHello(signer, randomBytes)
  return { said, ...(await challengeCaller(said.hello, holderContext())) }
}
