/** The key derivation of PKCS#12, for files older than PBES2 and for the MAC. RFC 7292, B.2. */
import { hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Effort } from './effort.ts'

export const FOR_KEY = 1
export const FOR_IV = 2
export const FOR_MAC = 3

const HASHES = {
  sha1: { bytes: 20, block: 64 },
  sha256: { bytes: 32, block: 64 },
  sha384: { bytes: 48, block: 128 },
  sha512: { bytes: 64, block: 128 },
} as const
export type HashName = keyof typeof HASHES

/** Hashes between two turns of the event loop: about a millisecond. */
const SLICE = 1000

export interface Derivation {
  readonly hash: HashName
  /** FOR_KEY, FOR_IV or FOR_MAC. */
  readonly purpose: number
  /** A BMPString: UTF-16, big-endian, with its terminating zero. */
  readonly passphrase: Bytes
  readonly salt: Bytes
  readonly iterations: number
}

export async function derive(
  { hash: name, purpose, passphrase, salt, iterations }: Derivation,
  length: number,
  effort: Effort,
): Promise<Buffer> {
  const { bytes, block } = HASHES[name]
  const blocks = Math.ceil(length / bytes)
  effort.spend(iterations * blocks)
  const diversifier = Buffer.alloc(block, purpose)
  const input = Buffer.concat([filled(salt, block), filled(passphrase, block)])
  const derived: Buffer[] = []
  for (let made = 0; made < blocks; made++) {
    let digest: Buffer = hash(name, Buffer.concat([diversifier, input]), 'buffer')
    for (let i = 1; i < iterations; i++) {
      digest = hash(name, digest, 'buffer')
      if (i % SLICE === 0) await setImmediate()
    }
    derived.push(digest)
    advance(input, filled(digest, block), block)
  }
  input.fill(0)
  return Buffer.concat(derived).subarray(0, length)
}

/** Repeated to whole blocks; nothing stays nothing. */
function filled(bytes: Bytes, block: number): Buffer {
  if (bytes.length === 0) return Buffer.alloc(0)
  return Buffer.alloc(Math.ceil(bytes.length / block) * block, bytes)
}

/** Adds `addend + 1` to each block of the input, as big-endian numbers that wrap. */
function advance(input: Buffer, addend: Buffer, block: number): void {
  for (let start = 0; start < input.length; start += block) {
    let carry = 1
    for (let i = block - 1; i >= 0; i--) {
      const sum = (input[start + i] ?? 0) + (addend[i] ?? 0) + carry
      input[start + i] = sum & 0xff
      carry = sum >> 8
    }
  }
}
