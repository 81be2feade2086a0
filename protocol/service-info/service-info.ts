/** ServiceInfo: key/value pairs, the messages that carry them, and how large those may be. */
import type { Bytes } from '../bytes.ts'
import {
  type Infer,
  type Schema,
  bool,
  bytes,
  isNull,
  listOf,
  text,
  tuple,
} from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'

/** `ServiceInfoKV = [key: tstr "module:message", val: bstr]`; `val` holds CBOR. */
export interface KeyValue {
  readonly key: string
  readonly value: Bytes
}

export const KeyValue: Schema<KeyValue> = tuple({ key: text, value: bytes() })

/** `ServiceInfo = [* ServiceInfoKV]`. Divergence: testers send null for an empty one. */
export const ServiceInfo: Schema<readonly KeyValue[]> = {
  parse: (item, path) => (isNull(item) ? [] : listOf(KeyValue).parse(item, path)),
  build: (pairs) => pairs.map((pair) => KeyValue.build(pair)),
}

/** TO2.DeviceServiceInfo, Type 68, once decrypted: `[IsMoreServiceInfo: bool, ServiceInfo]`. */
export const DeviceServiceInfo = tuple({ isMoreServiceInfo: bool, serviceInfo: ServiceInfo })
export type DeviceServiceInfo = Infer<typeof DeviceServiceInfo>

/** TO2.OwnerServiceInfo, Type 69, once decrypted: `[IsMoreServiceInfo, IsDone, ServiceInfo]`. */
export const OwnerServiceInfo = tuple({
  isMoreServiceInfo: bool,
  isDone: bool,
  serviceInfo: ServiceInfo,
})
export type OwnerServiceInfo = Infer<typeof OwnerServiceInfo>

/** What a side takes that announces nothing, and the least that any side takes. */
const MIN_SERVICE_INFO_BYTES = 1300

/** The limit that maxOwnerServiceInfoSz or maxDeviceServiceInfoSz stands for. */
export function announcedLimit(size: number | null): number {
  return Math.max(size ?? 0, MIN_SERVICE_INFO_BYTES)
}

/**
 * What the pairs of one message may take together. Peers count the limit in different ways; the
 * encoded message is kept 5 bytes under it, which suits them all. Its own heads take 3 bytes and
 * the head of the array up to 3 more.
 */
export function pairBytesWithin(limit: number): number {
  return limit - 5 - 3 - 3
}

/** The encoded size of one pair. */
export function sizeOfPair(key: string, valueBytes: number): number {
  const keyBytes = utf8Length(key)
  return 1 + headBytes(keyBytes) + keyBytes + headBytes(valueBytes) + valueBytes
}

/** The longest value that a pair of this key may carry within `room` bytes; negative if none. */
export function valueBytesWithin(room: number, key: string): number {
  const rest = room - sizeOfPair(key, 0) + 1
  for (const head of [1, 2, 3, 5]) {
    const most = rest - head
    if (headBytes(most) <= head) return most
  }
  return -1
}

export function sizeOfPairs(pairs: readonly KeyValue[]): number {
  return pairs.reduce((sum, { key, value }) => sum + sizeOfPair(key, value.length), 0)
}

/** Splits "module:message"; throws INVALID_MESSAGE_ERROR where it is not that. */
export function splitKey(key: string): { readonly module: string; readonly message: string } {
  const colon = key.indexOf(':')
  if (colon < 1 || colon === key.length - 1) {
    throw new FdoError('INVALID_MESSAGE_ERROR', `a ServiceInfo key without a module: ${key}`)
  }
  return { module: key.slice(0, colon), message: key.slice(colon + 1) }
}

function headBytes(argument: number): number {
  if (argument < 24) return 1
  if (argument < 0x100) return 2
  return argument < 0x1_0000 ? 3 : 5
}

function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    // Half of a surrogate pair, of which either half takes two bytes.
    const isHalf = unit >= 0xd800 && unit < 0xe000
    if (unit >= 0x80) length += unit < 0x800 || isHalf ? 1 : 2
  }
  return length
}
