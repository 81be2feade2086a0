/**
 * Writes DER, as little of it as certificates and certification requests need. X.690, sections 8
 * and 10. der-reader.ts reads it.
 */
import { type Bytes, allocate, toHex, utf8 } from '../bytes.ts'
import { oidContent } from './oid.ts'

export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  NULL: 0x05,
  OID: 0x06,
  UTF8_STRING: 0x0c,
  PRINTABLE_STRING: 0x13,
  IA5_STRING: 0x16,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const

/** `[n]`, constructed: explicit, or implicit over a SEQUENCE or SET. */
export function contextTag(n: number): number {
  return 0xa0 | n
}

/** `[n]`, primitive: implicit over a string or a number. */
export function primitiveContextTag(n: number): number {
  return 0x80 | n
}

/** One element around the parts given, which are whole elements or raw content. */
export function der(tag: number, ...parts: readonly Bytes[]): Bytes {
  let length = 0
  for (const part of parts) length += part.length
  const width = length < 0x80 ? 0 : 4 - (Math.clz32(length) >> 3)
  const element = allocate(2 + width + length)
  element[0] = tag
  element[1] = width === 0 ? length : 0x80 | width
  for (let i = 0; i < width; i++) element[2 + i] = length >>> (8 * (width - 1 - i))
  let offset = 2 + width
  for (const part of parts) {
    element.set(part, offset)
    offset += part.length
  }
  return element
}

export function sequence(...parts: readonly Bytes[]): Bytes {
  return der(Tag.SEQUENCE, ...parts)
}

/** A SET OF: its elements in the order of their encodings. */
export function setOf(...parts: readonly Bytes[]): Bytes {
  return der(Tag.SET, ...(parts.length < 2 ? parts : parts.toSorted(compareHex)))
}

function compareHex(a: Bytes, b: Bytes): number {
  return toHex(a) < toHex(b) ? -1 : 1
}

/** A non-negative INTEGER, from a small number or big-endian bytes of any length. */
export function integer(value: number | Bytes): Bytes {
  let bytes = typeof value === 'number' ? bigEndian(value) : value
  let zeros = 0
  while (zeros < bytes.length - 1 && bytes[zeros] === 0) zeros++
  bytes = bytes.subarray(zeros)
  const sign = (bytes[0] ?? 0x80) >= 0x80 ? Uint8Array.of(0) : bytes.subarray(0, 0)
  return der(Tag.INTEGER, sign, bytes)
}

function bigEndian(value: number): Bytes {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
}

/** An OBJECT IDENTIFIER from its dotted form. */
export function oid(text: string): Bytes {
  return der(Tag.OID, oidContent(text))
}

/** A BIT STRING of whole bytes. */
export function bitString(content: Bytes): Bytes {
  return der(Tag.BIT_STRING, Uint8Array.of(0), content)
}

/** A BIT STRING of named bits, trailing zeros left out; bit 0 is the least significant. */
export function namedBits(bits: number): Bytes {
  const content = new Uint8Array(bits > 0xff ? 2 : bits > 0 ? 1 : 0)
  let last = 0
  for (let i = 0; i < 16; i++) {
    if (!(bits & (1 << i))) continue
    content[i >> 3] = (content[i >> 3] ?? 0) | (0x80 >> (i & 7))
    last = i
  }
  return der(Tag.BIT_STRING, Uint8Array.of(content.length === 0 ? 0 : 7 - (last & 7)), content)
}

export function octetString(...parts: readonly Bytes[]): Bytes {
  return der(Tag.OCTET_STRING, ...parts)
}

export function utf8String(text: string): Bytes {
  return der(Tag.UTF8_STRING, utf8(text))
}

export function boolean(value: boolean): Bytes {
  return der(Tag.BOOLEAN, Uint8Array.of(value ? 0xff : 0))
}

export const NULL: Bytes = Uint8Array.of(Tag.NULL, 0)

/** UTCTime up to 2049, GeneralizedTime from 2050 on. RFC 5280, section 4.1.2.5. */
export function time(date: Date): Bytes {
  const digits = `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
  const year = date.getUTCFullYear()
  if (year >= 1950 && year < 2050) return der(Tag.UTC_TIME, utf8(digits.slice(2)))
  return der(Tag.GENERALIZED_TIME, utf8(digits))
}
