/** What a device is called through all its lives, on every service: a digest of its own key. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'

const PREFIX = 'fdod_'
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'
const LENGTH = 26

/** Of the DER SubjectPublicKeyInfo in the device's certificate. */
export function deviceIdOf(spki: Bytes): string {
  // Imported, since one key has more than one encoding.
  const digest = hash('sha256', importSpki(spki).spki, 'buffer')
  let id = PREFIX
  for (let i = 0; i < LENGTH; i++) id += LETTERS[fiveBits(digest, 5 * i)]
  return id
}

/** RFC 4648, section 6. */
function fiveBits(bytes: Bytes, at: number): number {
  const pair = ((bytes[at >> 3] ?? 0) << 8) | (bytes[(at >> 3) + 1] ?? 0)
  return (pair >> (11 - (at & 7))) & 31
}
