/**
 * The work of TO2's key exchange, up to the tunnel's key. Its caller may have it done elsewhere:
 * Node has no form of Diffie-Hellman that leaves the event loop alone.
 */
import type { Bytes } from '../bytes.ts'
import type { OwnerHalf } from '../crypto/kex/exchange.ts'
import {
  type Cipher,
  type Kex,
  answerAsDevice,
  finishOwnerExchange,
  startOwnerExchange,
} from '../crypto/kex/suites.ts'
import { deriveTunnelKey } from '../crypto/kex/tunnel.ts'
import type { Signer } from '../crypto/signer.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import type { RandomBytes } from '../types/base.ts'

/** What was agreed on in TO2.HelloDevice. */
export interface Suites {
  readonly kex: Kex
  readonly cipher: Cipher
}

/** Whatever is wrong with the Device's half is an INVALID_MESSAGE_ERROR. */
export interface OwnerKeyExchange {
  start(suites: Suites, randomBytes: RandomBytes): Promise<OwnerHalf>
  /** The tunnel's key. */
  finish(suites: Suites, secret: Bytes, xB: Bytes, ownerSigner: Signer): Promise<Bytes>
}

/** Whatever is wrong with the Owner's half is an INVALID_MESSAGE_ERROR. */
export interface DeviceKeyExchange {
  answer(
    suites: Suites,
    xA: Bytes,
    ownerKey: VerifyKey,
    randomBytes: RandomBytes,
  ): Promise<{ readonly xB: Bytes; readonly key: Bytes }>
}

/** The work done here and now. */
export const keyExchange: OwnerKeyExchange & DeviceKeyExchange = {
  start: ({ kex }, randomBytes) => startOwnerExchange(kex, randomBytes),
  async finish({ kex, cipher }, secret, xB, ownerSigner) {
    return deriveTunnelKey(cipher, await finishOwnerExchange(kex, secret, xB, ownerSigner))
  },
  async answer({ kex, cipher }, xA, ownerKey, randomBytes) {
    const { xB, shared } = await answerAsDevice(kex, xA, ownerKey, randomBytes)
    return { xB, key: deriveTunnelKey(cipher, shared) }
  },
}
