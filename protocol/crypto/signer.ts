/** What a private key can do. The key itself is never seen: it may sit in a hardware module. */
import { type KeyObject, createPrivateKey, createPublicKey, sign, webcrypto } from 'node:crypto'
import type { Bytes } from '../bytes.ts'
import { ALGORITHMS_OF, type SignatureAlgorithm } from '../cose/algorithms.ts'
import { type VerifyKey, kindOf, verifyKeyOf, verifyOptions } from './verify-key.ts'

export interface Signer {
  /** The public half. */
  readonly key: VerifyKey
  /** What it signs with. */
  readonly algorithm: SignatureAlgorithm
  /** ECDSA: r ‖ s of fixed length. RSA: as long as the modulus. */
  sign(data: Bytes): Bytes | Promise<Bytes>
  /** RSA keys only: RSAES-OAEP with SHA-256. Throws whatever goes wrong. */
  decrypt?(ciphertext: Bytes): Bytes | Promise<Bytes>
}

const OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' } as const

/** A Signer over a private key in memory. `algorithm` must be one its kind of key may use. */
export function signerOf(privateKey: KeyObject, algorithm?: SignatureAlgorithm): Signer {
  const key = verifyKeyOf(createPublicKey(privateKey))
  const used = algorithm ?? ALGORITHMS_OF[key.kind][0]
  if (!ALGORITHMS_OF[key.kind].includes(used)) throw new Error(`${key.kind} and ${used.name}`)
  const options = verifyOptions(privateKey, used)
  const signer: Signer = {
    key,
    algorithm: used,
    sign(data) {
      if (used.synchronous) return sign(used.hash, data, options)
      return new Promise((resolve, reject) => {
        sign(used.hash, data, options, (error, signature) =>
          error ? reject(error) : resolve(signature),
        )
      })
    },
  }
  if (key.kind !== 'rsa2048' && key.kind !== 'rsa3072') return signer
  return { ...signer, decrypt: oaepDecryption(privateKey) }
}

/** Throws an Error where the bytes are no PKCS#8 private key of a kind FDO uses. */
export function signerFromPkcs8(pkcs8: Bytes, algorithm?: SignatureAlgorithm): Signer {
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  kindOf(privateKey)
  return signerOf(privateKey, algorithm)
}

/** WebCrypto decrypts off the event loop, where node:crypto's own decryption holds it up. */
function oaepDecryption(privateKey: KeyObject): (ciphertext: Bytes) => Promise<Bytes> {
  const { subtle } = webcrypto
  let imported: Promise<webcrypto.CryptoKey> | undefined
  return async (ciphertext) => {
    const pkcs8 = () => privateKey.export({ type: 'pkcs8', format: 'der' })
    imported ??= subtle.importKey('pkcs8', pkcs8(), OAEP, false, ['decrypt'])
    return new Uint8Array(await subtle.decrypt(OAEP, await imported, ciphertext))
  }
}
