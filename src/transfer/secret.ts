/** Secrets that are shown once and kept as a hash. */
import { hash, randomBytes } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'

/** 256 random bits, for a header or a URL. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** See src/prefixes.ts. */
export function newId(prefix: string): string {
  return `${prefix}${randomBytes(8).toString('hex')}`
}

/** SHA-256, hex: of a secret, a session id, a voucher. */
export function hashOf(content: string | Bytes): string {
  return hash('sha256', content, 'hex')
}
