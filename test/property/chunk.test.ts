/** Whatever is said, and however small the messages are, it arrives as it was said. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concat } from '../../protocol/bytes.ts'
import { encode } from '../../protocol/cbor/cbor.ts'
import { bytesOf } from '../../protocol/cbor/scan.ts'
import { encodeAs } from '../../protocol/cbor/schema.ts'
import { FdoError } from '../../protocol/errors.ts'
import { Outbox, join } from '../../protocol/service-info/chunk.ts'
import {
  type KeyValue,
  OwnerServiceInfo,
  pairBytesWithin,
} from '../../protocol/service-info/service-info.ts'

const key = fc.constantFrom('m:a', 'm:b', 'fdo.download:data', 'x:é')
const item = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc.boolean(),
  fc.string({ maxLength: 200 }),
  fc.array(fc.integer(), { maxLength: 50 }),
)
const said = fc.array(fc.record({ key, value: item.map((value) => encode(value)) }), {
  maxLength: 12,
})

/** Sends it all, in as many messages as it takes. */
function messagesOf(pairs: readonly KeyValue[], limit: number): (readonly KeyValue[])[] {
  const messages: (readonly KeyValue[])[] = []
  for (let later = pairs; later.length > 0;) {
    const parts = new Outbox(pairBytesWithin(limit), later).flush()
    expect(parts.now.length).toBeGreaterThan(0)
    messages.push(parts.now)
    later = parts.later
  }
  return messages
}

/** What comes out at the other end: items run together count one by one. */
function heard(messages: readonly (readonly KeyValue[])[]): string[] {
  const items: string[] = []
  let partial: KeyValue | null = null
  for (const [i, pairs] of messages.entries()) {
    const joined = join(partial, pairs, i < messages.length - 1, 65_535)
    partial = joined.partial
    for (const { key, value } of joined.incoming) items.push(`${key} ${hex(bytesOf(value))}`)
  }
  return items
}

function hex(bytes: Bytes): string {
  return Buffer.from(bytes).toString('hex')
}

describe('ServiceInfo cut into messages', () => {
  it('arrives as it was said, and no message is longer than the limit less 5', () => {
    fc.assert(
      fc.property(said, fc.integer({ min: 100, max: 4000 }), (pairs, limit) => {
        const messages = messagesOf(pairs, limit)
        for (const serviceInfo of messages) {
          const message = { isMoreServiceInfo: true, isDone: false, serviceInfo }
          expect(encodeAs(OwnerServiceInfo, message).length).toBeLessThanOrEqual(limit - 5)
        }
        expect(heard(messages)).toEqual(pairs.map(({ key, value }) => `${key} ${hex(value)}`))
      }),
    )
  })

  it('is whole in each pair, as far as one message can hold it', () => {
    fc.assert(
      fc.property(said, fc.integer({ min: 100, max: 4000 }), (pairs, limit) => {
        const fitting = pairs.filter(({ value }) => value.length < limit - 50)
        for (const serviceInfo of messagesOf(fitting, limit)) {
          for (const one of serviceInfo) expect(fitting).toContainEqual(one)
        }
      }),
    )
  })
})

describe('ServiceInfo cut by somebody else', () => {
  it('arrives the same wherever the cuts are', () => {
    const cuts = fc.array(fc.nat({ max: 400 }), { maxLength: 20 })
    fc.assert(
      fc.property(fc.array(item, { minLength: 1, maxLength: 5 }), cuts, (values, at) => {
        const whole = concat(...values.map((value) => encode(value)))
        const edges = [0, ...at.filter((edge) => edge < whole.length).sort((a, b) => a - b)]
        const messages = edges.map((edge, i) => [
          { key: 'm:a', value: whole.subarray(edge, edges[i + 1] ?? whole.length) },
        ])
        const expected = values.map((value) => `m:a ${hex(encode(value))}`)
        expect(heard(messages)).toEqual(expected)
        expect(heard([messages.flat()])).toEqual(expected)
      }),
    )
  })

  it('is refused with an FdoError where it is nothing', () => {
    const pairs = fc.array(fc.record({ key, value: fc.uint8Array({ maxLength: 60 }) }))
    fc.assert(
      fc.property(pairs, fc.boolean(), (garbage, isMore) => {
        try {
          join(null, garbage, isMore, 1000)
        } catch (error) {
          expect(error).toBeInstanceOf(FdoError)
        }
      }),
    )
  })
})
