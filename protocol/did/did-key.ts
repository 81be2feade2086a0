/** did:key: a public key that is its own name. P-256 and P-384, as the W3C CCG's draft has them. */
import { type Bytes, allocate } from '../bytes.ts'
import { keyOfCompressedPoint } from '../crypto/jwk.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'

const PREFIX = 'did:key:z'
const LONGEST = 120
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'

export function isDidKey(text: string): boolean {
  return text.startsWith('did:key:')
}

/** Throws MESSAGE_BODY_ERROR for anything but a P-256 or P-384 key. */
export function keyOfDidKey(did: string): VerifyKey {
  if (!did.startsWith(PREFIX) || did.length > LONGEST) throw malformed('not did:key:z…')
  const bytes = fromBase58(did.slice(PREFIX.length))
  const [first, second] = bytes
  // The multicodec numbers of the curves, as varints.
  const curve = first === 0x80 ? 'p256' : first === 0x81 ? 'p384' : undefined
  if (!curve || second !== 0x24) throw malformed('neither P-256 nor P-384')
  return keyOfCompressedPoint(curve, bytes.subarray(2))
}

/** Bitcoin's alphabet: a number written in base 58, each leading 1 a zero byte. */
function fromBase58(text: string): Bytes {
  const digits: number[] = []
  for (const letter of text) {
    let carry = ALPHABET.indexOf(letter)
    if (carry < 0) throw malformed('not base58')
    for (let i = 0; i < digits.length; i++) {
      carry += (digits[i] ?? 0) * 58
      digits[i] = carry & 0xff
      carry >>= 8
    }
    for (; carry > 0; carry >>= 8) digits.push(carry & 0xff)
  }
  const zeros = /^1*/.exec(text)?.[0].length ?? 0
  const bytes = allocate(zeros + digits.length)
  bytes.set(digits.reverse(), zeros)
  return bytes
}

function malformed(what: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `did:key: ${what}`)
}
