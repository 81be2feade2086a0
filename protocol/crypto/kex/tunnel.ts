/**
 * The encrypted channel of TO2: its key, and sealing and opening one message. Which nonce a message
 * gets is the caller's to say, who keeps the session. FDO 1.1, "Encrypted Message".
 */
import type { Bytes } from '../../bytes.ts'
import { openEncrypt0, sealEncrypt0 } from '../../cose/encrypt0.ts'
import { FdoError } from '../../errors.ts'
import { deriveKey } from '../kdf.ts'
import { openAfterMac, sealThenMac } from './encrypt-then-mac.ts'
import type { SharedSecret } from './exchange.ts'
import type { Cipher } from './suites.ts'

/** SEVK; or SEK ‖ SVK for encrypt-then-MAC. */
export function deriveTunnelKey(cipher: Cipher, shared: SharedSecret): Bytes {
  return deriveKey(cipher.prf, shared.shSe, shared.contextRand, cipher.keyBytes)
}

/** `nonce` must never have been used with this key, by either party. */
export function sealMessage(cipher: Cipher, key: Bytes, nonce: Bytes, plaintext: Bytes): Bytes {
  if (cipher.mode === 'etm') return sealThenMac(cipher, key, nonce, plaintext)
  return sealEncrypt0(cipher, key, nonce, plaintext)
}

/** Throws INVALID_MESSAGE_ERROR for anything that the other party did not seal. */
export function openMessage(
  cipher: Cipher,
  key: Bytes,
  message: Bytes,
): { plaintext: Bytes; nonce: Bytes } {
  try {
    if (cipher.mode === 'etm') return openAfterMac(cipher, key, message)
    return openEncrypt0(cipher, key, message)
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw new FdoError('INVALID_MESSAGE_ERROR', cause.message, { cause })
  }
}
