/**
 * The CBC and CTR suites. go-fdo, Java and the conformance tool each seal in a form of their own;
 * this is go-fdo's, the only one with known answers. Off unless switched on.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { type Bytes, EMPTY, concat } from '../../bytes.ts'
import { encode } from '../../cbor/cbor.ts'
import { bytes, decodeAs, int, tuple } from '../../cbor/schema.ts'
import { ALG, Headers, IV, headerOf } from '../../cose/headers.ts'
import { HMAC_256, HMAC_384, type Mac, openMac0, sealMac0 } from '../../cose/mac0.ts'
import { FdoError } from '../../errors.ts'
import type { EtmCipher } from './suites.ts'

/** What go-fdo names inside, by node:crypto's name. RFC 9459, sections 4 and 5. */
const INNER_ALGORITHM = {
  'aes-128-ctr': -65534,
  'aes-256-ctr': -65532,
  'aes-128-cbc': -65531,
  'aes-256-cbc': -65529,
} as const

export type EtmName = keyof typeof INNER_ALGORITHM

/** `[h'', {1: alg, 5: iv}, ciphertext]`, untagged. */
const Inner = tuple({
  protectedHeader: bytes(0),
  unprotectedHeader: Headers,
  ciphertext: bytes(),
})

/** `key` is SEK ‖ SVK, of equal length. */
export function sealThenMac(cipher: EtmCipher, key: Bytes, iv: Bytes, plaintext: Bytes): Bytes {
  const { sek, svk, mac, alg } = partsOf(cipher, key)
  const encryption = createCipheriv(cipher.nodeName, sek, iv)
  const ciphertext = concat(encryption.update(plaintext), encryption.final())
  const headers = new Map<number, number | Bytes>([
    [ALG, alg],
    [IV, iv],
  ])
  return sealMac0(mac, svk, encode([EMPTY, headers, ciphertext]))
}

/** The tag is checked first: what is wrong with the padding is never told apart. */
export function openAfterMac(
  cipher: EtmCipher,
  key: Bytes,
  message: Bytes,
): { plaintext: Bytes; nonce: Bytes } {
  const { sek, svk, mac, alg } = partsOf(cipher, key)
  const { unprotectedHeader, ciphertext } = decodeAs(Inner, openMac0(mac, svk, message), 'Encrypt0')
  const iv = headerOf(unprotectedHeader, IV, bytes(cipher.nonceBytes), 'Encrypt0')
  if (headerOf(unprotectedHeader, ALG, int, 'Encrypt0') !== alg) throw unreadable()
  try {
    const decryption = createDecipheriv(cipher.nodeName, sek, iv)
    const plaintext = concat(decryption.update(ciphertext), decryption.final())
    return { plaintext, nonce: iv }
  } catch (cause) {
    throw unreadable(cause)
  }
}

function partsOf(
  { keyBytes, prf, nodeName }: EtmCipher,
  key: Bytes,
): { sek: Bytes; svk: Bytes; mac: Mac; alg: number } {
  const sek = key.subarray(0, keyBytes / 2)
  const svk = key.subarray(keyBytes / 2)
  const mac = prf === 'sha384' ? HMAC_384 : HMAC_256
  return { sek, svk, mac, alg: INNER_ALGORITHM[nodeName] }
}

function unreadable(cause?: unknown): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', 'Encrypt0: cannot be read', { cause })
}
