/** ASYMKEX2048 and ASYMKEX3072. FDO 1.1, "Asymmetric Key Exchange". */
import { constants, publicEncrypt } from 'node:crypto'
import type { Bytes } from '../../bytes.ts'
import type { KeyKind } from '../../cose/algorithms.ts'
import { type Exchange, refused } from './exchange.ts'

/** The Device's number goes encrypted to the Owner's key; the Owner's number is the context. */
export function asymmetric(ownerKind: KeyKind, modulusBytes: number, length: number): Exchange {
  return {
    start(randomBytes) {
      const random = randomBytes(length)
      return { xA: random, secret: random }
    },
    async finish(secret, xB, ownerSigner) {
      if (ownerSigner.key.kind !== ownerKind || !ownerSigner.decrypt) {
        throw new Error('the owner key has another kind than the exchange')
      }
      if (xB.length !== modulusBytes) throw refused('a ciphertext of another length')
      const shSe = await decrypt(ownerSigner.decrypt.bind(ownerSigner), xB)
      if (shSe.length !== length) throw refused('a random number of another length')
      return { shSe, contextRand: secret }
    },
    answer(xA, ownerKey, randomBytes) {
      if (xA.length !== length) throw refused('a random number of another length')
      if (ownerKey.kind !== ownerKind) throw refused('an owner key of another kind')
      const random = randomBytes(length)
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const xB = publicEncrypt({ key: ownerKey.keyObject, padding, oaepHash: 'sha256' }, random)
      return { xB, shared: { shSe: random, contextRand: xA } }
    },
  }
}

async function decrypt(
  decryptWithOwnerKey: (ciphertext: Bytes) => Bytes | Promise<Bytes>,
  xB: Bytes,
): Promise<Bytes> {
  try {
    return await decryptWithOwnerKey(xB)
  } catch (cause) {
    throw refused('a ciphertext that cannot be read', cause)
  }
}
