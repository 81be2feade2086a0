/** The key exchanges and cipher suites of TO2, one row each. FDO 1.1, "Key Exchange". */
import type { Bytes } from '../../bytes.ts'
import type { KeyKind } from '../../cose/algorithms.ts'
import type { AeadName } from '../../cose/encrypt0.ts'
import type { RandomBytes } from '../../types/base.ts'
import type { Prf } from '../kdf.ts'
import type { Signer } from '../signer.ts'
import type { VerifyKey } from '../verify-key.ts'
import { asymmetric } from './asymmetric.ts'
import { GROUPS, dh } from './dh.ts'
import { P256, P384, ecdh } from './ecdh.ts'
import type { EtmName } from './encrypt-then-mac.ts'
import type { DeviceHalf, Exchange, OwnerHalf, SharedSecret } from './exchange.ts'

export type KexName =
  'DHKEXid14' | 'DHKEXid15' | 'ASYMKEX2048' | 'ASYMKEX3072' | 'ECDH256' | 'ECDH384'

export interface Kex {
  readonly name: KexName
  /** The Owner keys it goes with; the Device's key has no say. */
  readonly ownerKinds: readonly KeyKind[]
  readonly exchange: Exchange
}

export const KEX: Record<KexName, Kex> = {
  DHKEXid14: row('DHKEXid14', ['rsa2048'], dh(GROUPS.DHKEXid14)),
  DHKEXid15: row('DHKEXid15', ['rsa3072'], dh(GROUPS.DHKEXid15)),
  ASYMKEX2048: row('ASYMKEX2048', ['rsa2048'], asymmetric('rsa2048', 256, 32)),
  ASYMKEX3072: row('ASYMKEX3072', ['rsa3072'], asymmetric('rsa3072', 384, 96)),
  ECDH256: row('ECDH256', ['p256'], ecdh(P256)),
  // Divergence: fdo-rs uses ECDH384 whatever the owner key.
  ECDH384: row('ECDH384', ['p384', 'p256'], ecdh(P384)),
}

function row(name: KexName, ownerKinds: readonly KeyKind[], exchange: Exchange): Kex {
  return { name, ownerKinds, exchange }
}

/** `kexSuiteName`, case-sensitive; undefined if there is no such exchange. */
export function findKex(name: string): Kex | undefined {
  return Object.values(KEX).find((kex) => kex.name === name)
}

/** Whether a suite goes with the Owner's key; the Device's key has no say. */
export function isKexAllowed(kex: Kex, ownerKind: KeyKind): boolean {
  return kex.ownerKinds.includes(ownerKind)
}

/** The Owner's half of an exchange, for message 61; `secret` goes into the sealed state. */
export async function startOwnerExchange(kex: Kex, randomBytes: RandomBytes): Promise<OwnerHalf> {
  return kex.exchange.start(randomBytes)
}

/** What the Owner learns from message 64; whatever is wrong with xB is an INVALID_MESSAGE_ERROR. */
export async function finishOwnerExchange(
  kex: Kex,
  secret: Bytes,
  xB: Bytes,
  ownerSigner: Signer,
): Promise<SharedSecret> {
  return kex.exchange.finish(secret, xB, ownerSigner)
}

/** The Device's half; whatever is wrong with xA is an INVALID_MESSAGE_ERROR. */
export async function answerAsDevice(
  kex: Kex,
  xA: Bytes,
  ownerKey: VerifyKey,
  randomBytes: RandomBytes,
): Promise<DeviceHalf> {
  return kex.exchange.answer(xA, ownerKey, randomBytes)
}

interface CipherBase {
  /** `cipherSuiteName`; for AEAD also the COSE algorithm. */
  readonly id: number
  readonly name: string
  /** All the key material of the tunnel: SEVK, or SEK ‖ SVK, each half of it. */
  readonly keyBytes: number
  readonly nonceBytes: number
  readonly prf: Prf
  readonly isEnabledByDefault: boolean
}

export interface AeadCipher extends CipherBase {
  readonly mode: 'aead'
  /** For node:crypto, here and below. */
  readonly nodeName: AeadName
}

/** Encrypt-then-MAC, in the form that go-fdo writes. */
export interface EtmCipher extends CipherBase {
  readonly mode: 'etm'
  readonly nodeName: EtmName
}

export type Cipher = AeadCipher | EtmCipher

/** By id. A256GCM derives with HMAC-SHA-256 whatever the key exchange. */
export const CIPHERS: ReadonlyMap<number, Cipher> = new Map(
  [
    aeadRow(1, 'A128GCM', 'aes-128-gcm', 16, 12),
    aeadRow(3, 'A256GCM', 'aes-256-gcm', 32, 12),
    aeadRow(32, 'AES-CCM-64-128-128', 'aes-128-ccm', 16, 7),
    aeadRow(33, 'AES-CCM-64-128-256', 'aes-256-ccm', 32, 7),
    etmRow(-17760703, 'COSEAES128CBC', 'aes-128-cbc', 'sha256'),
    etmRow(-17760704, 'COSEAES128CTR', 'aes-128-ctr', 'sha256'),
    etmRow(-17760705, 'COSEAES256CBC', 'aes-256-cbc', 'sha384'),
    etmRow(-17760706, 'COSEAES256CTR', 'aes-256-ctr', 'sha384'),
  ].map((cipher) => [cipher.id, cipher]),
)

function aeadRow(
  id: number,
  name: string,
  nodeName: AeadName,
  keyBytes: number,
  nonceBytes: number,
): Cipher {
  const common = { mode: 'aead', prf: 'sha256', isEnabledByDefault: true } as const
  return { id, name, nodeName, keyBytes, nonceBytes, ...common }
}

function etmRow(id: number, name: string, nodeName: EtmName, prf: Prf): Cipher {
  const keyBytes = prf === 'sha256' ? 32 : 64
  return {
    id,
    name,
    nodeName,
    keyBytes,
    nonceBytes: 16,
    prf,
    mode: 'etm',
    isEnabledByDefault: false,
  }
}
