/** COSE_Encrypt0 with AES-GCM or AES-CCM. RFC 9052, section 5.2; RFC 9053, section 4. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type Bytes, EMPTY, concat, mapKey, view } from '../bytes.ts'
import { Tagged, encode } from '../cbor/cbor.ts'
import { type Schema, bytes, decodeAs, tagged, tuple } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'
import { Headers, IV, algorithmOf, headerOf, protectedHeader } from './headers.ts'

export type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm' | 'aes-256-ccm'

export interface Aead {
  /** The COSE algorithm identifier. */
  readonly id: number
  /** For node:crypto. */
  readonly nodeName: AeadName
  readonly nonceBytes: number
}

interface Encrypt0 {
  readonly protectedHeader: Bytes
  readonly unprotectedHeader: Headers
  readonly ciphertext: Bytes
}

const Encrypt0: Schema<Encrypt0> = tagged(
  16,
  tuple({ protectedHeader: bytes(), unprotectedHeader: Headers, ciphertext: bytes() }),
)

const TAG_BYTES = 16

/** `#6.16([protected, {5: nonce}, ciphertext ‖ tag])`. */
export function sealEncrypt0(aead: Aead, key: Bytes, nonce: Bytes, plaintext: Bytes): Bytes {
  const header = protectedHeader(aead.id)
  const cipher = createCipheriv(aead.nodeName, key, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(additionalData(header), { plaintextLength: plaintext.length })
  const ciphertext = cipher.update(plaintext)
  cipher.final()
  const sealed = concat(ciphertext, cipher.getAuthTag())
  return encode(new Tagged(16, [header, new Map([[IV, nonce]]), sealed]))
}

/** Throws MESSAGE_BODY_ERROR for another shape, INVALID_MESSAGE_ERROR for what does not open. */
export function openEncrypt0(
  aead: Aead,
  key: Bytes,
  message: Bytes,
): { plaintext: Bytes; nonce: Bytes } {
  const { protectedHeader, unprotectedHeader, ciphertext } = decodeAs(Encrypt0, message, 'Encrypt0')
  if (algorithmOf(protectedHeader) !== aead.id) throw unreadable('another algorithm')
  const nonce = headerOf(unprotectedHeader, IV, bytes(), 'Encrypt0')
  if (nonce.length !== aead.nonceBytes) throw unreadable('a nonce of another length')
  const end = ciphertext.length - TAG_BYTES
  if (end < 0) throw unreadable('no authentication tag')
  try {
    const cipher = createDecipheriv(aead.nodeName, key, nonce, { authTagLength: TAG_BYTES })
    cipher.setAuthTag(view(ciphertext, end, ciphertext.length))
    cipher.setAAD(additionalData(protectedHeader), { plaintextLength: end })
    const plaintext = cipher.update(view(ciphertext, 0, end))
    cipher.final()
    return { plaintext, nonce }
  } catch (cause) {
    throw unreadable('not authentic', cause)
  }
}

const additional = new Map<string, Bytes>()
/** Headers of a peer's own making are not remembered without end. */
const MOST_REMEMBERED = 16

/** The Enc_structure: the same for all messages of an algorithm. RFC 9052, section 5.3. */
function additionalData(header: Bytes): Bytes {
  const name = mapKey(header)
  const known = additional.get(name)
  if (known) return known
  const made = encode(['Encrypt0', header, EMPTY])
  if (additional.size < MOST_REMEMBERED) additional.set(name, made)
  return made
}

function unreadable(what: string, cause?: unknown): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `Encrypt0: ${what}`, { cause })
}
