/** Byte strings: comparing, joining, and their text forms. */

/** A byte string. Often a view into a message received: copy what must outlive it. */
export type Bytes = Uint8Array<ArrayBufferLike>

export const EMPTY: Bytes = new Uint8Array(0)

const SLAB_BYTES = 8_192
const MOST_FROM_SLAB = 2_048
let slab = new ArrayBuffer(SLAB_BYTES)
let slabUsed = 0

/**
 * Zeros, to be filled. Most byte strings here are short and short-lived, and an ArrayBuffer for each
 * costs more than what is done with it: they share larger ones, of which no part is used twice.
 */
export function allocate(length: number): Bytes {
  if (length > MOST_FROM_SLAB) return new Uint8Array(length)
  if (slabUsed + length > SLAB_BYTES) {
    slab = new ArrayBuffer(SLAB_BYTES)
    slabUsed = 0
  }
  const bytes = new Uint8Array(slab, slabUsed, length)
  slabUsed += length
  return bytes
}

/** Part of a byte string, without a copy; cheaper than `subarray`, of a Node Buffer most of all. */
export function view(bytes: Bytes, start: number, end: number): Bytes {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start)
}

/** Compares in time that depends only on length. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0)
  return difference === 0
}

export function concat(...parts: readonly Bytes[]): Bytes {
  let length = 0
  for (const part of parts) length += part.length
  const joined = allocate(length)
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

export function toHex(bytes: Bytes): string {
  let hex = ''
  for (const byte of bytes) hex += HEX[byte]
  return hex
}

/** A string that stands for these bytes in a Map or Set; for up to some thousand bytes. */
export function mapKey(bytes: Bytes): string {
  return Reflect.apply(String.fromCharCode, null, bytes)
}

/** Reads hexadecimal digits, either case; anything else throws a RangeError. */
export function fromHex(hex: string): Bytes {
  if (hex.length % 2 !== 0 || /[^0-9a-f]/i.test(hex)) throw new RangeError('not hexadecimal')
  const bytes = allocate(hex.length / 2)
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16)
  }
  return bytes
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Longer text goes to the platform's own coders, which take their time to begin. */
const SHORT_TEXT = 128

export function utf8(text: string): Bytes {
  if (text.length > SHORT_TEXT) return encoder.encode(text)
  const bytes = allocate(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0x80) return encoder.encode(text)
    bytes[i] = code
  }
  return bytes
}

/** Throws a TypeError where the bytes are not UTF-8. */
export function fromUtf8(bytes: Bytes): string {
  if (bytes.length > SHORT_TEXT) return decoder.decode(bytes)
  for (let i = 0; i < bytes.length; i++) {
    if ((bytes[i] ?? 0) >= 0x80) return decoder.decode(bytes)
  }
  return mapKey(bytes)
}

/** Left-pads with zeros, or drops leading zeros, to `length`; undefined if the number is larger. */
export function toFixedLength(bytes: Bytes, length: number): Bytes | undefined {
  let start = 0
  while (bytes.length - start > length && bytes[start] === 0) start++
  if (bytes.length - start > length) return undefined
  const fixed = allocate(length)
  fixed.set(bytes.subarray(start), length - (bytes.length - start))
  return fixed
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const BASE64_CODES = utf8(BASE64)
const PADDING = 0x3d
const BASE64_VALUE = new Map(Array.from(BASE64, (letter, value) => [letter, value]))

/** Base64 with padding, in one line. RFC 4648, section 4. */
export function toBase64(bytes: Bytes): string {
  const text = allocate(Math.ceil(bytes.length / 3) * 4)
  for (let i = 0, at = 0; i < bytes.length; i += 3) {
    const group = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0)
    for (let shift = 18; shift >= 0; shift -= 6) {
      text[at++] = BASE64_CODES[(group >> shift) & 63] ?? 0
    }
  }
  text.fill(PADDING, text.length - ((3 - (bytes.length % 3)) % 3))
  return fromUtf8(text)
}

/** Reads padded base64 without line breaks; undefined for anything else. */
export function fromBase64(text: string): Bytes | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined
  const letters = text.replace(/=+$/, '')
  const bytes = allocate(Math.floor((letters.length * 3) / 4))
  let bits = 0
  let count = 0
  let length = 0
  for (const letter of letters) {
    bits = ((bits << 6) | (BASE64_VALUE.get(letter) ?? 0)) & 0xffff
    count += 6
    if (count < 8) continue
    count -= 8
    bytes[length++] = (bits >> count) & 0xff
  }
  return bytes
}
