/** Hash and HMac: their types on the wire, and computing them. FDO 1.1, "Hash / HMAC". */
import { createHash, createHmac, hash as digestOf, timingSafeEqual } from 'node:crypto'
import type { Bytes } from '../bytes.ts'
import { type Infer, type Schema, bytes, mismatch, oneOf, tuple } from '../cbor/schema.ts'

/** SHA-256 and SHA-384, by their COSE identifiers. */
export const HashType = oneOf(-16, -43)
export type HashType = Infer<typeof HashType>

/** HMAC-SHA-256 and HMAC-SHA-384, by their COSE identifiers. */
const HMacType = oneOf(5, 6)
type HMacType = Infer<typeof HMacType>

export const SHA256 = -16
export const SHA384 = -43
export const HMAC_SHA256 = 5
export const HMAC_SHA384 = 6

const NODE_NAME = { [SHA256]: 'sha256', [SHA384]: 'sha384', 5: 'sha256', 6: 'sha384' } as const
const DIGEST_BYTES = { [SHA256]: 32, [SHA384]: 48, 5: 32, 6: 48 } as const

/** `Hash = [hashtype: int, hash: bstr]`, of the length its type has. */
export const Hash = ofRightLength(tuple({ type: HashType, value: bytes() }))
export type Hash = Infer<typeof Hash>

/** `HMac`: the same shape as Hash. */
export const HMac = ofRightLength(tuple({ type: HMacType, value: bytes() }))
export type HMac = Infer<typeof HMac>

export function hashOf(type: HashType, data: Bytes): Hash {
  return { type, value: digestOf(NODE_NAME[type], data, 'buffer') }
}

/** A hash over data that arrives in parts. */
export interface RunningHash {
  update(data: Bytes): void
  digest(): Bytes
}

export function startHash(type: HashType): RunningHash {
  const hash = createHash(NODE_NAME[type])
  return {
    update: (data) => void hash.update(data),
    digest: () => hash.digest(),
  }
}

export function hmacOf(type: HMacType, secret: Bytes, data: Bytes): HMac {
  return { type, value: createHmac(NODE_NAME[type], secret).update(data).digest() }
}

/** Whether two hashes or HMACs are of one type and the same, in constant time. */
export function sameHash(a: Hash | HMac, b: Hash | HMac): boolean {
  if (a.type !== b.type || a.value.length !== b.value.length) return false
  return timingSafeEqual(a.value, b.value)
}

/** The hash of the same strength as an HMAC. */
export function hashTypeOf(hmac: HMacType): HashType {
  return hmac === HMAC_SHA384 ? SHA384 : SHA256
}

function ofRightLength<T extends { type: keyof typeof DIGEST_BYTES; value: Bytes }>(
  schema: Schema<T>,
): Schema<T> {
  return {
    parse(item, path) {
      const hash = schema.parse(item, path)
      if (hash.value.length === DIGEST_BYTES[hash.type]) return hash
      return mismatch(path, `${DIGEST_BYTES[hash.type]} bytes of hash`)
    },
    build: (hash) => schema.build(hash),
  }
}
