/** A CBOR item in diagnostic notation, for logs and people. RFC 8949, section 8; RFC 8610, G.3. */
import { type Bytes, fromUtf8, toHex } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { type Item, Major, contentOf, scan } from './scan.ts'

export interface DiagnosticOptions {
  /** Each element on a line of its own. */
  readonly lines?: boolean
  /** Byte strings that hold an array, a map or a tagged item are shown as `<<item>>`. */
  readonly embedded?: boolean
  /** Longer byte strings are cut: `h'0102…'/300/`. */
  readonly maxBytes?: number
}

/** Throws MESSAGE_BODY_ERROR for what is not one strict item. */
export function diagnosticOf(encoded: Bytes, options: DiagnosticOptions = {}): string {
  return textOf(scan(encoded, { floats: true }), options, '\n')
}

/** `newline` is the line break with the indentation of the item's parent. */
function textOf(item: Item, options: DiagnosticOptions, newline: string): string {
  const { major, argument, items } = item
  if (major === Major.UINT) return `${argument}`
  if (major === Major.NEGATIVE) return `${-1n - BigInt(argument)}`
  if (major === Major.BYTES) return bytesText(contentOf(item), options, newline)
  if (major === Major.TEXT) return JSON.stringify(fromUtf8(contentOf(item)))
  if (major === Major.SIMPLE) return simpleText(item)
  if (major === Major.TAG) return `${argument}(${textOf(items[0] as Item, options, newline)})`
  const parts = items.map((one) => textOf(one, options, `${newline}  `))
  if (major === Major.ARRAY) return `[${joined(parts, options, newline)}]`
  const pairs = parts.flatMap((key, i) => (i % 2 === 0 ? [`${key}: ${parts[i + 1]}`] : []))
  return `{${joined(pairs, options, newline)}}`
}

function joined(parts: readonly string[], { lines }: DiagnosticOptions, newline: string): string {
  if (!lines || parts.length === 0) return parts.join(', ')
  const inner = `${newline}  `
  return `${inner}${parts.join(`,${inner}`)}${newline}`
}

function bytesText(content: Bytes, options: DiagnosticOptions, newline: string): string {
  const { embedded, maxBytes = Infinity } = options
  const inside = embedded ? structureIn(content) : undefined
  if (inside) return `<<${textOf(inside, options, newline)}>>`
  if (content.length <= maxBytes) return `h'${toHex(content)}'`
  return `h'${toHex(content.subarray(0, maxBytes))}…'/${content.length}/`
}

/** Any byte may be taken for a number, and an ASCII letter for the head of a string. */
function structureIn(content: Bytes): Item | undefined {
  const major = (content[0] ?? 0) >> 5
  if (major !== Major.ARRAY && major !== Major.MAP && major !== Major.TAG) return undefined
  try {
    return scan(content, { floats: true })
  } catch (error) {
    if (error instanceof FdoError) return undefined // bytes that are no CBOR
    throw error
  }
}

const SIMPLE = new Map([
  [20, 'false'],
  [21, 'true'],
  [22, 'null'],
  [23, 'undefined'],
])

function simpleText({ info, source, start }: Item): string {
  const known = SIMPLE.get(info)
  if (known) return known
  const view = new DataView(source.buffer, source.byteOffset + start + 1)
  const value =
    info === 27 ? view.getFloat64(0) : info === 26 ? view.getFloat32(0) : halfFloat(view)
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}

/** RFC 8949, appendix D. */
function halfFloat(view: DataView): number {
  const bits = view.getUint16(0)
  const exponent = (bits >> 10) & 31
  const mantissa = bits & 1023
  const sign = bits & 0x8000 ? -1 : 1
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN
  return exponent === 0
    ? sign * mantissa * 2 ** -24
    : sign * (1024 + mantissa) * 2 ** (exponent - 25)
}
