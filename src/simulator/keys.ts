/** The kinds of key a device can have or ask for, and the suites that go with them. */
import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import { COSEKEY, type PkEnc, X509, X5CHAIN } from '../../protocol/crypto/public-key.ts'

export const KEY_KINDS = ['p256', 'p384', 'rsa2048', 'rsa3072'] as const satisfies KeyKind[]

export const ENCODINGS = { x509: X509, x5chain: X5CHAIN, cose: COSEKEY } as const satisfies Record<
  string,
  PkEnc
>
export type EncodingName = keyof typeof ENCODINGS

export interface Suite {
  readonly kex: string
  /** The COSE identifier of the cipher. */
  readonly cipher: number
}

/** What goes with an owner key of each kind. FDO 1.1, "Key exchange". */
export const SUITE_FOR: Record<KeyKind, Suite> = {
  p256: { kex: 'ECDH256', cipher: 1 },
  p384: { kex: 'ECDH384', cipher: 3 },
  rsa2048: { kex: 'DHKEXid14', cipher: 1 },
  rsa3072: { kex: 'DHKEXid15', cipher: 3 },
}

const generate = promisify(generateKeyPair)

/** A fresh private key, DER, PKCS#8. */
export async function makeKey(kind: KeyKind): Promise<Bytes> {
  const { privateKey } = await makePair(kind)
  return privateKey.export({ type: 'pkcs8', format: 'der' })
}

function makePair(kind: KeyKind) {
  if (kind === 'p256') return generate('ec', { namedCurve: 'P-256' })
  if (kind === 'p384') return generate('ec', { namedCurve: 'P-384' })
  return generate('rsa', { modulusLength: kind === 'rsa2048' ? 2048 : 3072 })
}
