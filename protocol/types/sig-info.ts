/**
 * What a Device announces about its attestation key, and the proof held against it: the same in
 * TO1.HelloRV and TO2.HelloDevice. FDO 1.1, "Device Attestation Signature".
 */
import { EMPTY } from '../bytes.ts'
import { ES256, ES384, PS256, PS384, RS256, RS384, algorithmById } from '../cose/algorithms.ts'
import { algorithmOf } from '../cose/headers.ts'
import { type Sign1, verifySign1 } from '../cose/sign1.ts'
import type { Signer } from '../crypto/signer.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import type { SigInfo } from './base.ts'

const ANNOUNCED: ReadonlySet<number> = new Set(
  [ES256, ES384, RS256, RS384, PS256, PS384].map((algorithm) => algorithm.id),
)

/** Whether this is a kind of signature we verify: EPID, 90 to 92, is not. */
export function isKnownSgType(sgType: number): boolean {
  return ANNOUNCED.has(sgType)
}

/** The `eASigInfo` of a Device: its Info is empty for every kind but EPID. */
export function sigInfoOf(signer: Signer): SigInfo {
  return { sgType: signer.algorithm.id, info: EMPTY }
}

/**
 * Whether `token` is signed with the Device's own key, by the algorithm that was announced.
 *
 * Divergence: fdo-rs announces ES384 whatever its key is; with a P-256 key it then signs ES256.
 */
export async function verifyProof(
  token: Sign1,
  sgType: number,
  deviceKey: VerifyKey,
): Promise<boolean> {
  const algorithm = algorithmById(algorithmOf(token.protectedHeader) ?? 0)
  if (!algorithm) return false
  const isRust = sgType === ES384.id && deviceKey.kind === 'p256' && algorithm === ES256
  if (algorithm.id !== sgType && !isRust) return false
  return await verifySign1(token, deviceKey)
}
