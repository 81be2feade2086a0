/** COSE header labels, and FDO's own. RFC 9052, section 3; FDO 1.1, "COSE". */
import type { Bytes } from '../bytes.ts'
import { encode } from '../cbor/cbor.ts'
import type { Item } from '../cbor/scan.ts'
import { type Schema, decodeAs, int, mapOf } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'

export const ALG = 1
const CRIT = 2
/** Which key it was: text or bytes that mean something to whoever looks for the key. */
export const KID = 4
export const IV = 5
/** ProveOVHdr, unprotected. */
export const CUPH_NONCE = 256
export const CUPH_OWNER_PUB_KEY = 257
/** ProveDevice, unprotected. */
export const EUPH_NONCE = -259

/** An unprotected header, its values left to whoever knows the label. */
export type Headers = ReadonlyMap<number | string, Item>

const rawItem: Schema<Item> = {
  parse: (item) => item,
  build: () => {
    throw new Error('headers received are not sent')
  },
}

/** A header map as received; unknown labels are kept and ignored. */
export const Headers: Schema<Headers> = mapOf(rawItem)

/** One header read with a schema; throws MESSAGE_BODY_ERROR if it is absent. */
export function headerOf<T>(headers: Headers, label: number, schema: Schema<T>, name: string): T {
  const item = headers.get(label)
  if (!item) throw new FdoError('MESSAGE_BODY_ERROR', `${name}: header ${label} is missing`)
  return schema.parse(item, name)
}

const protectedHeaders = new Map<number, Bytes>()

/** `bstr .cbor {1: alg}`, the content. */
export function protectedHeader(alg: number): Bytes {
  const known = protectedHeaders.get(alg)
  if (known) return known
  const header = encode(new Map([[ALG, alg]]))
  protectedHeaders.set(alg, header)
  return header
}

/** The algorithm in a protected header; undefined if it names none, or demands an extension. */
export function algorithmOf(header: Bytes): number | undefined {
  if (header.length === 0) return undefined
  const headers = decodeAs(Headers, header, 'protected header')
  const alg = headers.get(ALG)
  return alg && !headers.has(CRIT) ? int.parse(alg, 'alg') : undefined
}
