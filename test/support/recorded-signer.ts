/**
 * A Signer for replaying a recorded run: ECDSA and PSS signatures are randomised, so instead of
 * signing it checks that the recorded signature is right for the bytes, and hands it back.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import {
  ALGORITHMS_OF,
  type SignatureAlgorithm,
  algorithmById,
} from '../../protocol/cose/algorithms.ts'
import { algorithmOf } from '../../protocol/cose/headers.ts'
import { Sign1 } from '../../protocol/cose/sign1.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { type VerifyKey, verifySignature } from '../../protocol/crypto/verify-key.ts'

export interface RecordedSigner extends Signer {
  /** Signatures that nothing has asked for yet. */
  readonly unused: () => number
}

/** Each signature is given out once, to whoever asks for a signature of the bytes it fits. */
export function recordedSigner(
  key: VerifyKey,
  signatures: readonly Bytes[],
  algorithm: SignatureAlgorithm = ALGORITHMS_OF[key.kind][0],
): RecordedSigner {
  const left = [...signatures]
  return {
    key,
    algorithm,
    unused: () => left.length,
    async sign(data) {
      for (const [i, signature] of left.entries()) {
        if (!(await verifySignature(key, algorithm, data, signature))) continue
        left.splice(i, 1)
        return signature
      }
      throw new Error('no recorded signature fits these bytes')
    },
  }
}

/** A Signer that reproduces these COSE_Sign1 structures, recorded as `key` signed them. */
export function signerOfRecorded(key: VerifyKey, structures: readonly Bytes[]): RecordedSigner {
  const recorded = structures.map((bytes) => decodeAs(Sign1, bytes, 'recorded').value)
  const alg = recorded[0] && algorithmOf(recorded[0].protectedHeader)
  return recordedSigner(
    key,
    recorded.map((one) => one.signature),
    algorithmById(alg ?? 0),
  )
}
