/**
 * Reads DER strictly, as much of it as certificates and certification requests need. X.690,
 * sections 8 and 10.
 */
import { type Bytes, fromUtf8, view } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { Tag } from './der.ts'
import { oidText } from './oid.ts'

/**
 * Reads the elements of one constructed value (or of the whole input) from front to back. Every
 * method throws MESSAGE_BODY_ERROR for anything but definite, minimal DER. Byte strings given
 * are views.
 */
export class DerReader {
  readonly #source: Bytes
  readonly #end: number
  #offset: number

  constructor(source: Bytes, offset = 0, end = source.length) {
    this.#source = source
    this.#offset = offset
    this.#end = end
  }

  get atEnd(): boolean {
    return this.#offset === this.#end
  }

  /** Whether an element with this tag comes next. */
  next(tag: number): boolean {
    return this.#offset < this.#end && this.#source[this.#offset] === tag
  }

  /** Goes into a constructed element. */
  enter(tag: number): DerReader {
    const start = this.#content(tag)
    return new DerReader(this.#source, start, this.#offset)
  }

  /** The content of an element. */
  content(tag: number): Bytes {
    const start = this.#content(tag)
    return view(this.#source, start, this.#offset)
  }

  /** A whole element with its tag and length; of any tag if none is named. */
  element(tag?: number): Bytes {
    const start = this.#offset
    this.#content(tag ?? this.#source[start] ?? 0)
    return view(this.#source, start, this.#offset)
  }

  /** The content of an INTEGER: two's complement, big-endian. */
  integer(): Bytes {
    const content = this.content(Tag.INTEGER)
    const [first, second] = content
    if (first === undefined) throw this.#malformed('an empty INTEGER')
    if (second !== undefined && (first === 0 ? second < 0x80 : first === 0xff && second >= 0x80)) {
      throw this.#malformed('an INTEGER with bytes it does not need')
    }
    return content
  }

  /** An INTEGER from 0 to 2³¹ − 1. */
  smallInteger(): number {
    const content = this.integer()
    if (content.length > 4 || (content[0] ?? 0) >= 0x80) throw this.#malformed('a small INTEGER')
    return content.reduce((value, byte) => value * 256 + byte, 0)
  }

  boolean(): boolean {
    const [value, extra] = this.content(Tag.BOOLEAN)
    if (extra !== undefined || (value !== 0 && value !== 0xff)) {
      throw this.#malformed('a BOOLEAN that is neither true nor false')
    }
    return value === 0xff
  }

  /** In dotted form. */
  oid(): string {
    const content = this.content(Tag.OID)
    return oidText(content) ?? fail(this.#malformed('an OID'))
  }

  /** A BIT STRING of whole bytes. */
  bitString(): Bytes {
    const content = this.content(Tag.BIT_STRING)
    if (content[0] !== 0) throw this.#malformed('a BIT STRING that is not whole bytes')
    return content.subarray(1)
  }

  /** A BIT STRING of up to 16 named bits: bit 0 is the least significant of the number given. */
  namedBits(): number {
    const [unused, first, second = 0, extra] = this.content(Tag.BIT_STRING)
    if (unused === undefined || unused > 7 || extra !== undefined) {
      throw this.#malformed('a BIT STRING of named bits')
    }
    let bits = 0
    for (let i = 0; i < 8; i++) {
      if ((first ?? 0) & (0x80 >> i)) bits |= 1 << i
      if (second & (0x80 >> i)) bits |= 0x100 << i
    }
    return bits
  }

  /** A UTCTime (1950 to 2049) or a GeneralizedTime, in the one form RFC 5280 allows. */
  time(): Date {
    const generalized = this.next(Tag.GENERALIZED_TIME)
    const content = this.content(generalized ? Tag.GENERALIZED_TIME : Tag.UTC_TIME)
    return parseTime(content, generalized) ?? fail(this.#malformed('a time'))
  }

  /** Whatever is left must be nothing. */
  end(): void {
    if (!this.atEnd) throw this.#malformed('something after the last element')
  }

  /** Steps over one element, and gives where its content begins. */
  #content(tag: number): number {
    const source = this.#source
    const start = this.#offset
    if (start >= this.#end || source[start] !== tag || (tag & 0x1f) === 0x1f) {
      throw this.#malformed(`no element ${tag.toString(16)}`)
    }
    let length = source[start + 1] ?? 0x80
    let content = start + 2
    if (length >= 0x80) {
      const width = length - 0x80
      length = 0
      for (const end = content + width; content < end; content++) {
        length = length * 256 + (source[content] ?? 0)
      }
      if (length < 0x80 || length < 2 ** (8 * (width - 1))) throw this.#malformed('a long length')
    }
    if (content + length > this.#end) throw this.#malformed('an element cut short')
    this.#offset = content + length
    return content
  }

  #malformed(what: string): FdoError {
    return new FdoError('MESSAGE_BODY_ERROR', `DER, byte ${this.#offset}: ${what}`)
  }
}

/** One element and nothing after it. */
export function derReader(source: Bytes, tag: number = Tag.SEQUENCE): DerReader {
  const whole = new DerReader(source)
  const inside = whole.enter(tag)
  whole.end()
  return inside
}

function fail(error: FdoError): never {
  throw error
}

/** `YYMMDDHHMMSSZ`, with four digits of year where generalized. RFC 5280, section 4.1.2.5. */
function parseTime(content: Bytes, generalized: boolean): Date | undefined {
  const yearDigits = generalized ? 4 : 2
  if (content.length !== yearDigits + 11 || content.at(-1) !== 0x5a) return undefined
  const year = digits(content, 0, yearDigits)
  const fields = [0, 2, 4, 6, 8].map((at) => digits(content, yearDigits + at, 2))
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = fields
  const date = new Date(0)
  date.setUTCFullYear(generalized ? year : year + (year < 50 ? 2000 : 1900), month - 1, day)
  date.setUTCHours(hour, minute, second)
  const isReal =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour
  return isReal && minute < 60 && second < 60 ? date : undefined
}

/** NaN if one is no digit. */
function digits(content: Bytes, at: number, count: number): number {
  let value = 0
  for (let i = at; i < at + count; i++) {
    const digit = (content[i] ?? 0) - 0x30
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : NaN
  }
  return value
}

/** The text of a PrintableString, UTF8String or IA5String; throws MESSAGE_BODY_ERROR. */
export function textOf(element: Bytes): string {
  const tags: readonly number[] = [Tag.UTF8_STRING, Tag.PRINTABLE_STRING, Tag.IA5_STRING]
  const tag = element[0] ?? 0
  if (!tags.includes(tag)) throw new FdoError('MESSAGE_BODY_ERROR', 'DER: not a string')
  const reader = new DerReader(element)
  const content = reader.content(tag)
  reader.end()
  try {
    return fromUtf8(content)
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'DER: text that is not UTF-8', { cause })
  }
}
