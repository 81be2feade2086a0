/**
 * CBOR bytes ↔ plain values. The only file that knows cbor-x.
 *
 * Decoding converts only what the strict scanner has passed. Encoding is our own and
 * deterministic (RFC 8949, section 4.2.1): cbor-x writes integers from 2³² as floats, leaves maps
 * unsorted and cannot splice in bytes that somebody signed.
 */
import { Decoder, addExtension } from 'cbor-x'
import { type Bytes, allocate, concat, utf8, view } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { type ScanOptions, scan } from './scan.ts'

/** What `encode` takes and `decode` gives; integers beyond 2⁵³ are bigints. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | undefined
  | Bytes
  | Encoded
  | Tagged
  | readonly CborValue[]
  | ReadonlyMap<CborValue, CborValue>

/** `#6.tag(value)`. */
export class Tagged {
  readonly tag: number
  readonly value: CborValue

  constructor(tag: number, value: CborValue) {
    this.tag = tag
    this.value = value
  }
}

/** An item that is encoded already, because someone signed it or it was received that way. */
export class Encoded {
  readonly bytes: Bytes

  constructor(bytes: Bytes) {
    this.bytes = bytes
  }
}

const decoder = new Decoder({ useRecords: false, mapsAsObjects: false, copyBuffers: true })

/** cbor-x would make dates of timestamps, losing what was written. */
for (const tag of [0, 1]) {
  addExtension({ Class: Tagged, tag, decode: (value: CborValue) => new Tagged(tag, value), encode })
}

/** Reads exactly one item, strictly; throws MESSAGE_BODY_ERROR. Maps become `Map`. */
export function decode(bytes: Bytes, options: ScanOptions = {}): CborValue {
  scan(bytes, options)
  return normalize(decoder.decode(bytes.slice())) // a copy, since cbor-x leaves a mark on its input
}

/** Irons out cbor-x: wide integers that fit a number, its own tag class, Node's Buffer. */
function normalize(value: unknown): CborValue {
  if (typeof value === 'bigint') {
    return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : value
  }
  if (value instanceof Uint8Array) return new Uint8Array(value)
  if (Array.isArray(value)) return value.map(normalize)
  if (value instanceof Map) {
    return new Map(Array.from(value, ([key, item]) => [normalize(key), normalize(item)]))
  }
  if (isTag(value)) return new Tagged(value.tag, normalize(value.value))
  if (typeof value === 'object' && value !== null) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'CBOR: an item FDO has no use for')
  }
  return value as CborValue
}

function isTag(value: unknown): value is { tag: number; value: unknown } {
  return typeof value === 'object' && value !== null && 'tag' in value && 'value' in value
}

/** Encodes deterministically; `Encoded` parts are spliced in as they are. */
export function encode(value: CborValue): Bytes {
  const writer = idleWriters.pop() ?? new Writer()
  writer.value(value)
  const encoded = writer.finish()
  if (idleWriters.length < MAX_IDLE_WRITERS) idleWriters.push(writer)
  return encoded
}

/** Kept, since a fresh buffer costs more than most messages do. One encode may need another. */
const idleWriters: Writer[] = []
const MAX_IDLE_WRITERS = 4
const INITIAL_BYTES = 1024
const MAX_IDLE_BYTES = 0x2_0000

class Writer {
  #buffer: Bytes = new Uint8Array(INITIAL_BYTES)
  #length = 0

  finish(): Bytes {
    const encoded = allocate(this.#length)
    encoded.set(view(this.#buffer, 0, this.#length))
    this.#length = 0
    if (this.#buffer.length > MAX_IDLE_BYTES) this.#buffer = new Uint8Array(INITIAL_BYTES)
    return encoded
  }

  value(value: CborValue): void {
    if (typeof value === 'number') this.#integer(value)
    else if (typeof value === 'string') this.#text(value)
    else if (value instanceof Uint8Array) this.#string(2, value)
    else if (value instanceof Encoded) this.#raw(value.bytes)
    else if (Array.isArray(value)) this.#array(value)
    else if (value instanceof Map) this.#map(value)
    else if (value === null) this.#byte(0xf6)
    else if (typeof value === 'boolean') this.#byte(value ? 0xf5 : 0xf4)
    else if (value instanceof Tagged) {
      this.#head(6, value.tag)
      this.value(value.value)
    } else if (typeof value === 'bigint') this.#integer(value)
    else if (value === undefined) this.#byte(0xf7)
    else throw new TypeError('cannot be encoded as CBOR')
  }

  #integer(value: number | bigint): void {
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      throw new TypeError(`not an integer CBOR can carry exactly: ${value}`)
    }
    if (value >= 0) this.#head(0, value)
    else this.#head(1, typeof value === 'bigint' ? -1n - value : -1 - value)
  }

  #string(major: number, content: Bytes): void {
    this.#head(major, content.length)
    this.#raw(content)
  }

  /** Short ASCII, as most text here is, without the detour over an encoder. */
  #text(text: string): void {
    if (text.length >= 24) return this.#string(3, utf8(text))
    this.#reserve(24)
    const start = this.#length + 1
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code >= 0x80) return this.#string(3, utf8(text))
      this.#buffer[start + i] = code
    }
    this.#buffer[this.#length] = 0x60 | text.length
    this.#length = start + text.length
  }

  #array(items: readonly CborValue[]): void {
    this.#head(4, items.length)
    for (const item of items) this.value(item)
  }

  /** Keys in the bytewise order of their encodings. */
  #map(map: ReadonlyMap<CborValue, CborValue>): void {
    this.#head(5, map.size)
    if (map.size === 1) {
      for (const [key, value] of map) {
        this.value(key)
        this.value(value)
      }
      return
    }
    const entries = Array.from(map, ([key, value]) => ({ key: encode(key), value }))
    entries.sort((a, b) => compareBytes(a.key, b.key))
    for (const { key, value } of entries) {
      this.#raw(key)
      this.value(value)
    }
  }

  #head(major: number, argument: number | bigint): void {
    const type = major << 5
    if (argument < 24) this.#byte(type | Number(argument))
    else if (argument < 0x100) this.#number(type | 24, argument, 1)
    else if (argument < 0x1_0000) this.#number(type | 25, argument, 2)
    else if (argument < 0x1_0000_0000) this.#number(type | 26, argument, 4)
    else this.#number(type | 27, argument, 8)
  }

  #number(initial: number, argument: number | bigint, width: number): void {
    this.#reserve(1 + width)
    this.#buffer[this.#length++] = initial
    if (width === 8) return this.#wide(BigInt(argument))
    for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) {
      this.#buffer[this.#length++] = Number(argument) >>> shift
    }
  }

  #wide(argument: bigint): void {
    if (argument >= 1n << 64n) throw new TypeError('more than CBOR can carry in an integer')
    for (let shift = 56n; shift >= 0n; shift -= 8n) {
      this.#buffer[this.#length++] = Number((argument >> shift) & 0xffn)
    }
  }

  #byte(byte: number): void {
    this.#reserve(1)
    this.#buffer[this.#length++] = byte
  }

  #raw(bytes: Bytes): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#length)
    this.#length += bytes.length
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#buffer.length) return
    this.#buffer = concat(
      this.#buffer.subarray(0, this.#length),
      new Uint8Array(Math.max(count, this.#buffer.length)),
    )
  }
}

function compareBytes(a: Bytes, b: Bytes): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
