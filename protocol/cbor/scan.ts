/**
 * Strict well-formedness of CBOR, and where every item begins and ends. RFC 8949, section 5.3.1.
 *
 * Accepted: definite lengths, maps without duplicate keys, UTF-8 text, the tags FDO uses, and the
 * simple values false, true, null and undefined. Integers may use a longer head than they need,
 * as go-fdo's decoder allows: hashes and signatures run over the bytes received.
 */
import { type Bytes, fromUtf8, toHex, view } from '../bytes.ts'
import { FdoError } from '../errors.ts'

export const Major = {
  UINT: 0,
  NEGATIVE: 1,
  BYTES: 2,
  TEXT: 3,
  ARRAY: 4,
  MAP: 5,
  TAG: 6,
  SIMPLE: 7,
} as const

/** One item: its type, its range in `source`, and the items inside it. */
export interface Item {
  readonly major: number
  /** The low five bits of the first byte: tells the simple values and the float widths apart. */
  readonly info: number
  /** The head's number: an integer's value (before negation), a length, a count or a tag. */
  readonly argument: number | bigint
  readonly source: Bytes
  readonly start: number
  /** Where the content of a byte or text string begins. */
  readonly contentStart: number
  readonly end: number
  /** Elements of an array; keys and values, in turn, of a map; the content of a tag. */
  readonly items: readonly Item[]
}

export interface ScanOptions {
  /** Floats appear nowhere in FDO save in the timestamps of some peers' error messages. */
  readonly floats?: boolean
}

const MAX_DEPTH = 16
const MAX_ITEMS = 32_768
const KNOWN_TAGS = new Set<number | bigint>([0, 1, 16, 17, 18])
const NO_ITEMS: readonly Item[] = []

/** The bytes an item was received in. A view, not a copy. */
export function bytesOf(item: Item): Bytes {
  return view(item.source, item.start, item.end)
}

/** The content of a byte or text string. A view, not a copy. */
export function contentOf(item: Item): Bytes {
  return view(item.source, item.contentStart, item.end)
}

/** Reads exactly one item; throws MESSAGE_BODY_ERROR where the bytes are anything else. */
export function scan(source: Bytes, options: ScanOptions = {}): Item {
  const scanner = new Scanner(source, options)
  const item = scanner.read(0, 0)
  if (item.end !== source.length) throw malformed(item.end, 'bytes after the item')
  return item
}

/** Reads the items of a CBOR sequence (RFC 8742), such as strings run together under one key. */
export function scanSequence(source: Bytes, options: ScanOptions = {}): Item[] {
  const scanner = new Scanner(source, options)
  const items: Item[] = []
  for (let offset = 0; offset < source.length;) {
    const item = scanner.read(offset, 0)
    items.push(item)
    offset = item.end
  }
  return items
}

/** Where the item that begins at `start` ends, within the limits that a single one has. */
export function endOfItem(source: Bytes, start: number): number {
  return new Scanner(source, {}).read(start, 0).end
}

class Scanner {
  readonly #source: Bytes
  readonly #options: ScanOptions
  #count = 0

  constructor(source: Bytes, options: ScanOptions) {
    this.#source = source
    this.#options = options
  }

  read(start: number, depth: number): Item {
    if (depth > MAX_DEPTH) throw malformed(start, 'nested too deeply')
    if (++this.#count > MAX_ITEMS) throw malformed(start, 'too many items')
    const source = this.#source
    const initial = source[start] ?? 0
    const major = initial >> 5
    const info = initial & 31
    const contentStart = start + 1 + widthOf(info, start)
    if (contentStart > source.length) throw malformed(start, 'truncated')
    const argument = info < 24 ? info : this.#number(start + 1, contentStart - start - 1)

    let end = contentStart
    let items = NO_ITEMS
    if (major === Major.BYTES || major === Major.TEXT) {
      end += this.#size(argument, contentStart)
      if (major === Major.TEXT) checkText(source, contentStart, end)
    } else if (major === Major.ARRAY || major === Major.MAP || major === Major.TAG) {
      items = this.#children(major, argument, contentStart, depth)
      end = items.at(-1)?.end ?? contentStart
      if (major === Major.MAP) checkKeys(items, start)
    } else if (major === Major.SIMPLE) {
      this.#checkSimple(info, start)
    }
    return { major, info, argument, source, start, contentStart, end, items }
  }

  #children(major: number, argument: number | bigint, offset: number, depth: number): Item[] {
    if (major === Major.TAG && !KNOWN_TAGS.has(argument)) {
      throw malformed(offset, `unknown tag ${argument}`)
    }
    const count = major === Major.TAG ? 1 : this.#size(argument, offset)
    const items: Item[] = []
    let next = offset
    for (let i = major === Major.MAP ? 2 * count : count; i > 0; i--) {
      const item = this.read(next, depth + 1)
      items.push(item)
      next = item.end
    }
    return items
  }

  /** A length or a count: no item takes less than one byte, so more than what is left is a lie. */
  #size(argument: number | bigint, offset: number): number {
    if (typeof argument === 'bigint' || argument > this.#source.length - offset) {
      throw malformed(offset, 'truncated')
    }
    return argument
  }

  #number(offset: number, width: number): number | bigint {
    let value = 0
    for (let i = offset; i < offset + Math.min(width, 4); i++) {
      value = value * 256 + (this.#source[i] ?? 0)
    }
    if (width < 8) return value
    const low = this.#number(offset + 4, 4)
    const wide = (BigInt(value) << 32n) | BigInt(low)
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide
  }

  #checkSimple(info: number, start: number): void {
    const isFloat = info >= 25 && info <= 27
    if (isFloat && this.#options.floats) return
    if (info < 20 || info > 23) throw malformed(start, isFloat ? 'a float' : 'a simple value')
  }
}

/** How many bytes of number follow the first byte of a head. */
function widthOf(info: number, start: number): number {
  if (info < 24) return 0
  if (info > 27) throw malformed(start, info === 31 ? 'indefinite length' : 'reserved head')
  return 1 << (info - 24)
}

function checkText(source: Bytes, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    if ((source[i] ?? 0) < 0x80) continue
    try {
      fromUtf8(view(source, start, end))
    } catch (cause) {
      throw malformed(start, 'text that is not UTF-8', cause)
    }
    return
  }
}

/** Compares keys by value: 1 written in one byte and 1 written in two are the same key. */
function checkKeys(items: readonly Item[], start: number): void {
  const seen = new Set<string>()
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i]
    if (!key) break
    if (key.major > Major.TEXT) {
      throw malformed(key.start, 'a map key that is neither an integer nor a string')
    }
    if (items.length === 2) return
    const isInteger = key.major <= Major.NEGATIVE
    const name = `${key.major}:${isInteger ? key.argument : toHex(contentOf(key))}`
    if (seen.has(name)) throw malformed(start, 'a duplicate key')
    seen.add(name)
  }
}

function malformed(offset: number, what: string, cause?: unknown): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `CBOR, byte ${offset}: ${what}`, { cause })
}
