/**
 * BER made DER, as far as PKCS#12 needs it: browsers and Java libraries write its outer layers with
 * lengths left open and byte strings in pieces. X.690, section 8.
 */
import type { Bytes } from '../../../protocol/bytes.ts'
import { Tag, der } from '../../../protocol/x509/der.ts'
import { KeyRefused } from './refused.ts'

const CONSTRUCTED = 0x20
export const OPEN_LENGTH = 0x80
const DEEPEST = 32

/** Throws KeyRefused for what is not one element of BER and nothing after it. */
export function berToDer(source: Bytes): Bytes {
  const { element, end } = readElement(source, 0, source.length, 0)
  if (end !== source.length) throw malformed()
  return element
}

interface Read {
  readonly tag: number
  /** Each element inside, where it is a constructed one. */
  readonly children?: readonly Read[]
  /** DER, its tag and length included. */
  readonly element: Bytes
  readonly content: Bytes
  readonly end: number
}

function readElement(source: Bytes, at: number, limit: number, depth: number): Read {
  const tag = source[at]
  if (tag === undefined || at >= limit || (tag & 0x1f) === 0x1f || depth > DEEPEST)
    throw malformed()
  const { start, length } = readLength(source, at + 1)
  const end = length === undefined ? limit : start + length
  if (end > limit) throw malformed()
  if (!(tag & CONSTRUCTED)) {
    if (length === undefined) throw malformed()
    const content = source.subarray(start, end)
    return { tag, content, element: der(tag, content), end }
  }
  const { children, next } = readChildren(source, start, end, length === undefined, depth)
  return { ...joined(tag, children), children, end: next }
}

/** Up to the end, or to the mark that ends an open length. */
function readChildren(source: Bytes, start: number, end: number, open: boolean, depth: number) {
  const children: Read[] = []
  let next = start
  while (open ? !isEndMark(source, next, end) : next < end) {
    const child = readElement(source, next, end, depth + 1)
    children.push(child)
    next = child.end
  }
  return { children, next: open ? next + 2 : next }
}

function joined(tag: number, children: readonly Read[]): Omit<Read, 'end'> {
  if (tag === (Tag.OCTET_STRING | CONSTRUCTED)) {
    if (children.some((piece) => piece.tag !== Tag.OCTET_STRING)) throw malformed()
    const content = Buffer.concat(children.map((piece) => piece.content))
    return { tag: Tag.OCTET_STRING, content, element: der(Tag.OCTET_STRING, content) }
  }
  const content = Buffer.concat(children.map(({ element }) => element))
  return { tag, content, element: der(tag, content) }
}

/** A length is undefined where it is left open. */
function readLength(source: Bytes, at: number): { start: number; length: number | undefined } {
  const first = source[at]
  if (first === undefined) throw malformed()
  if (first === OPEN_LENGTH) return { start: at + 1, length: undefined }
  if (first < OPEN_LENGTH) return { start: at + 1, length: first }
  const width = first - OPEN_LENGTH
  if (width > 4 || at + 1 + width > source.length) throw malformed()
  let length = 0
  for (let i = 1; i <= width; i++) length = length * 256 + (source[at + i] ?? 0)
  return { start: at + 1 + width, length }
}

function isEndMark(source: Bytes, at: number, end: number): boolean {
  if (at + 2 > end) throw malformed()
  return source[at] === 0 && source[at + 1] === 0
}

function malformed(): KeyRefused {
  return new KeyRefused('the file is cut short or no key file at all')
}
