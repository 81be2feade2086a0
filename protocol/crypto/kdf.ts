/** The key derivation: NIST SP 800-108 in counter mode. FDO 1.1, "Key Derivation Function". */
import { createHmac } from 'node:crypto'
import { type Bytes, concat, utf8 } from '../bytes.ts'

export type Prf = 'sha256' | 'sha384'

const LABEL = concat(utf8('FIDO-KDF'), Uint8Array.of(0), utf8('AutomaticOnboardTunnel'))

/** `length` bytes of key from a shared secret (`ShSe`) and the context (`ContextRand`). */
export function deriveKey(prf: Prf, shSe: Bytes, contextRand: Bytes, length: number): Bytes {
  const bits = 8 * length
  const input = concat(Uint8Array.of(0), LABEL, contextRand, Uint8Array.of(bits >> 8, bits & 0xff))
  const key = new Uint8Array(length)
  for (let offset = 0, i = 1; offset < length; i++) {
    input[0] = i
    const block = createHmac(prf, shSe)
      .update(input)
      .digest()
      .subarray(0, length - offset)
    key.set(block, offset)
    offset += block.length
  }
  return key
}
