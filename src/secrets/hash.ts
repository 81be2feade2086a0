/** How secrets are kept that we made ourselves: random and long, so that a plain hash will do. */
import { hash, timingSafeEqual } from 'node:crypto'

/** SHA-256, hex. */
export function hashOfSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}

const NO_HASH = '0'.repeat(64)

/** In the same time whether there is such a hash or not. */
export function isSameHash(kept: string | undefined, secret: string): boolean {
  return timingSafeEqual(Buffer.from(kept ?? NO_HASH), Buffer.from(hashOfSecret(secret)))
}
