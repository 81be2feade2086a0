/** Sealing small secrets at rest and in tokens: AES-256-GCM under one key. */
import { type KeyObject, createCipheriv, createDecipheriv, createSecretKey } from 'node:crypto'
import { type Bytes, concat, utf8, view } from '../../protocol/bytes.ts'
import { pooledRandomBytes } from '../randomness.ts'

const NONCE_BYTES = 12
const TAG_BYTES = 16

const SEAL_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES

const randomBytes = pooledRandomBytes()

export class Sealer {
  readonly #key: KeyObject

  /** 32 bytes. */
  constructor(key: Bytes) {
    this.#key = createSecretKey(key)
  }

  /** `context` says what this is and whose: it opens under the same context only. */
  seal(context: string, plaintext: Bytes): Bytes {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(utf8(context))
    const content = cipher.update(plaintext)
    cipher.final()
    return concat(nonce, content, cipher.getAuthTag())
  }

  /** Undefined where the bytes were not sealed with this key in this context. */
  open(context: string, sealed: Bytes): Bytes | undefined {
    if (sealed.length < SEAL_OVERHEAD_BYTES) return undefined
    const end = sealed.length - TAG_BYTES
    const nonce = view(sealed, 0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(utf8(context))
    decipher.setAuthTag(view(sealed, end, sealed.length))
    const plaintext = decipher.update(view(sealed, NONCE_BYTES, end))
    try {
      decipher.final()
    } catch {
      // What final() throws says only that the tag is wrong.
      return undefined
    }
    return plaintext
  }
}
