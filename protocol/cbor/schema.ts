/**
 * A Schema is the one description of a CBOR item: its TypeScript type, its check and its encoding.
 * Message definitions are built from these, so a message is written down once.
 */
import { type Bytes, fromUtf8 } from '../bytes.ts'
import { FdoError } from '../errors.ts'
import { type CborValue, Encoded, Tagged, decode, encode } from './cbor.ts'
import { type Item, Major, bytesOf, contentOf, scan } from './scan.ts'

export interface Schema<T> {
  /** Gives an item its type, or throws MESSAGE_BODY_ERROR saying where it went wrong. */
  parse(item: Item, path: string): T
  build(value: T): CborValue
}

export type Infer<S> = S extends Schema<infer T> ? T : never

/** `bstr`, of exactly `length` bytes if given. The value is a view into the message. */
export function bytes(length?: number): Schema<Bytes> {
  return {
    parse(item, path) {
      if (item.major !== Major.BYTES) return mismatch(path, 'a byte string')
      if (length !== undefined && item.argument !== length) {
        return mismatch(path, `${length} bytes`)
      }
      return contentOf(item)
    },
    build: (value) => value,
  }
}

/** `tstr`. */
export const text: Schema<string> = {
  parse: (item, path) =>
    item.major === Major.TEXT ? fromUtf8(contentOf(item)) : mismatch(path, 'a text string'),
  build: (value) => value,
}

export const bool: Schema<boolean> = {
  parse(item, path) {
    if (item.major === Major.SIMPLE && item.info === 20) return false
    if (item.major === Major.SIMPLE && item.info === 21) return true
    return mismatch(path, 'a boolean')
  },
  build: (value) => value,
}

/** `int` within ±2⁵³. */
export const int: Schema<number> = {
  parse: (item, path) => integerOf(item) ?? mismatch(path, 'an integer'),
  build: (value) => value,
}

/** `uint .le max`; with no `max`, up to 2⁵³. */
export function uint(max = Number.MAX_SAFE_INTEGER): Schema<number> {
  return {
    parse(item, path) {
      const value = integerOf(item)
      if (value === undefined || value < 0 || value > max) {
        return mismatch(path, `an unsigned integer up to ${max}`)
      }
      return value
    },
    build: (value) => value,
  }
}

export const uint8: Schema<number> = uint(0xff)
export const uint16: Schema<number> = uint(0xffff)
export const uint32: Schema<number> = uint(0xffff_ffff)

/** Any one item, converted without a check of its shape. */
export const anyItem: Schema<CborValue> = {
  parse: (item) => decode(bytesOf(item)),
  build: (value) => value,
}

/** One of a closed list of values, such as the algorithm identifiers we accept. */
export function oneOf<const T extends number | string>(...allowed: readonly T[]): Schema<T> {
  return {
    parse(item, path) {
      const value = item.major === Major.TEXT ? fromUtf8(contentOf(item)) : integerOf(item)
      return allowed.find((one) => one === value) ?? mismatch(path, `one of ${allowed.join(', ')}`)
    },
    build: (value) => value,
  }
}

/** `inner / null`. */
export function nullable<T>(inner: Schema<T>): Schema<T | null> {
  return {
    parse: (item, path) => (isNull(item) ? null : inner.parse(item, path)),
    build: (value) => (value === null ? null : inner.build(value)),
  }
}

/** `[* inner]`, of `min` to `max` elements. */
export function listOf<T>(inner: Schema<T>, min = 0, max = 65_535): Schema<readonly T[]> {
  return {
    parse(item, path) {
      const { items, major } = item
      if (major !== Major.ARRAY || items.length < min || items.length > max) {
        return mismatch(path, `an array of ${min} to ${max}`)
      }
      return items.map((element, i) => inner.parse(element, `${path}[${i}]`))
    },
    build: (values) => values.map((value) => inner.build(value)),
  }
}

/** `[a, b, …]`: FDO messages are CBOR arrays; here their positions get names, in wire order. */
export function tuple<F extends Record<string, Schema<unknown>>>(
  fields: F,
): Schema<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const entries = Object.entries(fields)
  const fewest = entries.findLastIndex(([, field]) => !isLater(field)) + 1
  return {
    parse(item, path) {
      const { items, major } = item
      if (major !== Major.ARRAY || items.length < fewest || items.length > entries.length) {
        return mismatch(path, `an array of ${entries.length}`)
      }
      const named: Record<string, unknown> = {}
      for (const [i, [name, field]] of entries.entries()) {
        const element = items[i]
        named[name] = element ? field.parse(element, `${path}.${name}`) : null
      }
      return named as { [K in keyof F]: Infer<F[K]> }
    },
    build(value) {
      const built = entries.map(([name, field]) => field.build(value[name]))
      while (built.length > fewest && built.at(-1) === null) built.pop()
      return built
    },
  }
}

const LATER = Symbol('later')

/**
 * `? inner`: a field that was added at the end of a tuple later, null where it is missing. It is left
 * out where it is null, so that those who do not know it yet read everything else.
 */
export function later<T>(inner: Schema<T>): Schema<T | null> {
  return Object.assign(nullable(inner), { [LATER]: true })
}

function isLater(schema: Schema<unknown>): boolean {
  return LATER in schema
}

/** `{* key => value}` with integer or text keys, in the order received. */
export function mapOf<T>(inner: Schema<T>): Schema<ReadonlyMap<number | string, T>> {
  return {
    parse(item, path) {
      if (item.major !== Major.MAP) return mismatch(path, 'a map')
      const map = new Map<number | string, T>()
      for (let i = 0; i + 1 < item.items.length; i += 2) {
        const [key, value] = [item.items[i] as Item, item.items[i + 1] as Item]
        const name = key.major === Major.TEXT ? fromUtf8(contentOf(key)) : integerOf(key)
        if (name === undefined) return mismatch(path, 'integer or text keys')
        map.set(name, inner.parse(value, `${path}{${name}}`))
      }
      return map
    },
    build: (map) => new Map(Array.from(map, ([key, value]) => [key, inner.build(value)])),
  }
}

/** `#6.tag(item)`. */
export function tagged<T>(tag: number, inner: Schema<T>): Schema<T> {
  return {
    parse: (item, path) =>
      item.major === Major.TAG && item.argument === tag
        ? inner.parse(item.items[0] as Item, path)
        : mismatch(path, `CBOR tag ${tag}`),
    build: (value) => new Tagged(tag, inner.build(value)),
  }
}

/** A value beside the bytes it was received in, which is what gets hashed, kept and sent on. */
export interface Kept<T> {
  readonly bytes: Bytes
  readonly value: T
}

/** An item of which the bytes matter; they are spliced in again when it is sent. */
export function kept<T>(inner: Schema<T>): Schema<Kept<T>> {
  return {
    parse: (item, path) => ({ bytes: bytesOf(item), value: inner.parse(item, path) }),
    build: ({ bytes }) => new Encoded(bytes),
  }
}

/** `bstr .cbor inner`. `bytes` is the content, without the head of the byte string. */
export function wrapped<T>(inner: Schema<T>): Schema<Kept<T>> {
  return {
    parse(item, path) {
      if (item.major !== Major.BYTES) return mismatch(path, 'a byte string')
      const content = contentOf(item)
      return { bytes: content, value: inner.parse(scan(content), path) }
    },
    build: ({ bytes }) => bytes,
  }
}

/** The forms of one thing that peers write, tried in order; written in the first. */
export function either<T>(...forms: readonly [Schema<T>, ...Schema<T>[]]): Schema<T> {
  return {
    parse(item, path) {
      for (const form of forms.slice(0, -1)) {
        try {
          return form.parse(item, path)
        } catch (error) {
          if (!(error instanceof FdoError)) throw error
        }
      }
      return (forms.at(-1) as Schema<T>).parse(item, path)
    },
    build: (value) => forms[0].build(value),
  }
}

/** A Kept value made here: encoded once, so that what is signed is what is sent. */
export function keep<T>(schema: Schema<T>, value: T): Kept<T> {
  return { bytes: encodeAs(schema, value), value }
}

export function decodeAs<T>(schema: Schema<T>, encoded: Bytes, name: string): T {
  return schema.parse(scan(encoded), name)
}

export function encodeAs<T>(schema: Schema<T>, value: T): Bytes {
  return encode(schema.build(value))
}

export function isNull(item: Item): boolean {
  return item.major === Major.SIMPLE && item.info === 22
}

function integerOf({ major, argument }: Item): number | undefined {
  if (typeof argument === 'bigint') return undefined
  if (major === Major.UINT) return argument
  if (major === Major.NEGATIVE && argument < Number.MAX_SAFE_INTEGER) return -1 - argument
  return undefined
}

export function mismatch(path: string, wanted: string): never {
  throw new FdoError('MESSAGE_BODY_ERROR', `${path}: expected ${wanted}`)
}
