/** Cutting values to what the peer takes in one message, and putting together what it cut. */
import { type Bytes, EMPTY, concat } from '../bytes.ts'
import { type Item, Major, scan } from '../cbor/scan.ts'
import { FdoError } from '../errors.ts'
import { type KeyValue, sizeOfPair, sizeOfPairs, valueBytesWithin } from './service-info.ts'

/** One complete CBOR item that arrived under a key. */
export interface Incoming {
  readonly key: string
  readonly value: Item
}

/** A piece of a value shorter than this waits for the next message instead. */
const SHORTEST_PIECE = 64

/**
 * Takes from the front of `queue` what fits in `room` bytes. A value that fits a message of its
 * own is not cut, for some devices read every pair as complete CBOR; a longer one continues under
 * the same key.
 */
export function cut(
  queue: readonly KeyValue[],
  room: number,
): { readonly now: readonly KeyValue[]; readonly later: readonly KeyValue[] } {
  const now: KeyValue[] = []
  let left = room
  for (const [i, pair] of queue.entries()) {
    const size = sizeOfPair(pair.key, pair.value.length)
    if (size > left) return { now, later: cutLast(pair, size, left, room, now, queue.slice(i + 1)) }
    now.push(pair)
    left -= size
  }
  return { now, later: [] }
}

function cutLast(
  pair: KeyValue,
  size: number,
  left: number,
  room: number,
  now: KeyValue[],
  rest: readonly KeyValue[],
): readonly KeyValue[] {
  const most = valueBytesWithin(left, pair.key)
  const waits = size <= room || (now.length > 0 && most < SHORTEST_PIECE)
  if (waits) return [pair, ...rest]
  if (most < 1) throw new FdoError('INTERNAL_SERVER_ERROR', `no room for any of ${pair.key}`)
  now.push({ key: pair.key, value: pair.value.subarray(0, most) })
  return [{ key: pair.key, value: pair.value.subarray(most) }, ...rest]
}

/**
 * Joins the values of consecutive pairs of one key, and reads them as a sequence of CBOR items:
 * a peer may cut one item over several pairs, and run several together in one. An item still
 * incomplete at the end is handed back if `isMore`, and is refused otherwise.
 */
export function join(
  partial: KeyValue | null,
  pairs: readonly KeyValue[],
  isMore: boolean,
  maxPartialBytes: number,
): { readonly incoming: readonly Incoming[]; readonly partial: KeyValue | null } {
  const incoming: Incoming[] = []
  let open: KeyValue | null = partial
  for (let i = 0; i < pairs.length;) {
    const key = (pairs[i] as KeyValue).key
    const parts: Bytes[] = []
    if (open && open.key !== key) throw unfinished(open.key)
    if (open) parts.push(open.value)
    for (; pairs[i]?.key === key; i++) parts.push((pairs[i] as KeyValue).value)
    const value = parts.length === 1 ? (parts[0] as Bytes) : concat(...parts)
    const rest = readItems(key, value, incoming)
    open = rest.length === 0 ? null : { key, value: rest }
  }
  if (open && !isMore) throw unfinished(open.key)
  if (open && open.value.length > maxPartialBytes) {
    throw new FdoError('MESSAGE_BODY_ERROR', `${open.key}: too long a value`)
  }
  return { incoming, partial: open }
}

function readItems(key: string, value: Bytes, into: Incoming[]): Bytes {
  let start = 0
  while (start < value.length) {
    const end = endOfItem(value, start)
    if (end === undefined) return value.slice(start)
    into.push({ key, value: scan(value.subarray(start, end)) })
    start = end
  }
  return EMPTY
}

/** Where the item at `start` ends; undefined if it is not all there. Checks nothing else. */
function endOfItem(source: Bytes, start: number): number | undefined {
  let offset = start
  for (let wanted = 1; wanted > 0; wanted--) {
    const initial = source[offset] ?? 0
    const [major, info] = [initial >> 5, initial & 31]
    // Left to the scanner, which refuses indefinite lengths and what is reserved.
    if (info > 27) return source.length
    const width = info < 24 ? 0 : 1 << (info - 24)
    const argument = info < 24 ? info : numberAt(source, offset + 1, width)
    offset += 1 + width
    if (major === Major.BYTES || major === Major.TEXT) offset += argument
    else if (major === Major.ARRAY) wanted += argument
    else if (major === Major.MAP) wanted += 2 * argument
    else if (major === Major.TAG) wanted++
    if (offset > source.length) return undefined
  }
  return offset
}

/** Inexact beyond 2⁵³, which no message is long enough for. */
function numberAt(source: Bytes, offset: number, width: number): number {
  let value = 0
  for (let i = offset; i < offset + width; i++) value = value * 256 + (source[i] ?? 0)
  return value
}

function unfinished(key: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `${key}: a value that breaks off`)
}

/** Collects what a side wants to say, and knows how much of its next message is still free. */
export class Outbox {
  readonly #room: number
  #queue: KeyValue[]
  #used: number

  /** `backlog` is what an earlier message had no room for. */
  constructor(room: number, backlog: readonly KeyValue[] = []) {
    this.#room = room
    this.#queue = [...backlog]
    this.#used = sizeOfPairs(backlog)
  }

  /** The longest value under this key that still goes out whole with the next message. */
  roomFor(key: string): number {
    return valueBytesWithin(this.#room - this.#used, key)
  }

  get queue(): readonly KeyValue[] {
    return this.#queue
  }

  push(key: string, value: Bytes): void {
    this.#queue.push({ key, value })
    this.#used += sizeOfPair(key, value.length)
  }

  /** Forgets what is queued for a module that will not have it. */
  drop(module: string): void {
    this.#queue = this.#queue.filter(({ key }) => !key.startsWith(`${module}:`))
    this.#used = sizeOfPairs(this.#queue)
  }

  /** What goes out now, and what is left for later. */
  flush(): { readonly now: readonly KeyValue[]; readonly later: readonly KeyValue[] } {
    const parts = cut(this.#queue, this.#room)
    this.#queue = []
    this.#used = 0
    return parts
  }
}
