/** COSE_Mac0 with HMAC. RFC 9052, section 6.2; RFC 9053, section 3.1. */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type Bytes, EMPTY } from '../bytes.ts'
import { Tagged, encode } from '../cbor/cbor.ts'
import { type Schema, bytes, decodeAs, tagged, tuple } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'
import { Headers, algorithmOf, protectedHeader } from './headers.ts'

export interface Mac {
  /** The COSE algorithm identifier. */
  readonly id: number
  /** For node:crypto. */
  readonly hash: 'sha256' | 'sha384'
}

export const HMAC_256: Mac = { id: 5, hash: 'sha256' }
export const HMAC_384: Mac = { id: 6, hash: 'sha384' }

interface Mac0 {
  readonly protectedHeader: Bytes
  readonly unprotectedHeader: Headers
  readonly payload: Bytes
  readonly tag: Bytes
}

const Mac0: Schema<Mac0> = tagged(
  17,
  tuple({
    protectedHeader: bytes(),
    unprotectedHeader: Headers,
    payload: bytes(),
    tag: bytes(),
  }),
)

/** `#6.17([protected, {}, payload, tag])`. */
export function sealMac0(mac: Mac, key: Bytes, payload: Bytes): Bytes {
  const header = protectedHeader(mac.id)
  return encode(new Tagged(17, [header, new Map(), payload, tagOf(mac, key, header, payload)]))
}

/** The payload, once its tag has been checked; throws as openEncrypt0 does. */
export function openMac0(mac: Mac, key: Bytes, message: Bytes): Bytes {
  const { protectedHeader, payload, tag } = decodeAs(Mac0, message, 'Mac0')
  if (algorithmOf(protectedHeader) !== mac.id) throw notAuthentic()
  const expected = tagOf(mac, key, protectedHeader, payload)
  if (tag.length !== expected.length || !timingSafeEqual(tag, expected)) throw notAuthentic()
  return payload
}

/** Over the MAC_structure. RFC 9052, section 6.3. */
function tagOf({ hash }: Mac, key: Bytes, header: Bytes, payload: Bytes): Bytes {
  return createHmac(hash, key)
    .update(encode(['MAC0', header, EMPTY, payload]))
    .digest()
}

function notAuthentic(): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', 'Mac0: not authentic')
}
