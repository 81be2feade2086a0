/** What a hostile or broken peer may send instead of a message: its bytes, damaged. */
import fc from 'fast-check'
import { type Bytes, concat } from '../../protocol/bytes.ts'

/** The bytes with a few wounds: a byte changed, a piece cut out, doubled or put in. */
export function mutationOf(original: Bytes, mostWounds = 4): fc.Arbitrary<Bytes> {
  const at = fc.nat({ max: Math.max(0, original.length - 1) })
  const wound = fc.oneof(
    fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat({ max: 7 }) }),
    fc.record({ kind: fc.constant('byte' as const), at, value: fc.nat({ max: 255 }) }),
    fc.record({ kind: fc.constant('cut' as const), at, length: fc.integer({ min: 1, max: 40 }) }),
    fc.record({ kind: fc.constant('double' as const), at, length: fc.nat({ max: 40 }) }),
    fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 9 }) }),
    fc.record({ kind: fc.constant('end' as const), at }),
  )
  type Wound = typeof wound extends fc.Arbitrary<infer W> ? W : never
  const inflict = (bytes: Bytes, one: Wound): Bytes => {
    const head = bytes.subarray(0, one.at)
    const tail = bytes.subarray(one.at)
    if (one.kind === 'flip') return replaced(bytes, one.at, (bytes[one.at] ?? 0) ^ (1 << one.bit))
    if (one.kind === 'byte') return replaced(bytes, one.at, one.value)
    if (one.kind === 'cut') return concat(head, tail.subarray(one.length))
    if (one.kind === 'double') return concat(head, tail.subarray(0, one.length), tail)
    if (one.kind === 'insert') return concat(head, one.bytes, tail)
    return head
  }
  return fc
    .array(wound, { minLength: 1, maxLength: mostWounds })
    .map((wounds) => wounds.reduce(inflict, original))
}

/** Anything at all, or something close to the original. */
export function garbageLike(original: Bytes): fc.Arbitrary<Bytes> {
  return fc.oneof(
    { arbitrary: mutationOf(original), weight: 3 },
    { arbitrary: fc.uint8Array({ maxLength: 80 }), weight: 1 },
  )
}

function replaced(bytes: Bytes, at: number, value: number): Bytes {
  const copy = new Uint8Array(bytes)
  if (at < copy.length) copy[at] = value
  return copy
}
