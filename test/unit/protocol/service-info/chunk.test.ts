import { describe, expect, it } from 'vitest'
import { concat, fromHex, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { bytesOf } from '../../../../protocol/cbor/scan.ts'
import { Outbox, cut, join } from '../../../../protocol/service-info/chunk.ts'
import { type KeyValue, sizeOfPairs } from '../../../../protocol/service-info/service-info.ts'

const pairOf = (key: string, value: Uint8Array): KeyValue => ({ key, value })
const filled = (length: number) => encode(new Uint8Array(length).fill(7))
const refusal = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })

function itemsOf(pairs: readonly KeyValue[]) {
  const { incoming } = join(null, pairs, false, 65_535)
  return incoming.map(({ key, value }) => ({ key, value: bytesOf(value) }))
}

describe('cut', () => {
  it('takes everything where everything fits', () => {
    const queue = [pairOf('m:a', filled(10)), pairOf('m:b', filled(10))]
    expect(cut(queue, 100)).toEqual({ now: queue, later: [] })
  })

  it('leaves whole what fits a message of its own', () => {
    const queue = [pairOf('m:a', filled(60)), pairOf('m:b', filled(60))]
    const { now, later } = cut(queue, 100)
    expect([now, later]).toEqual([[queue[0]], [queue[1]]])
  })

  it('cuts what fits none, and goes on under the same key', () => {
    const queue = [pairOf('m:a', filled(250)), pairOf('m:b', filled(3))]
    const { now, later } = cut(queue, 100)
    expect(sizeOfPairs(now)).toBe(100)
    expect(later.map(({ key }) => key)).toEqual(['m:a', 'm:b'])
    expect(concat(now[0]!.value, later[0]!.value)).toEqual(filled(250))
  })

  it('begins a long value behind others only where a good piece of it fits', () => {
    const [short, long] = [pairOf('m:a', filled(60)), pairOf('m:b', filled(500))]
    expect(cut([short, long], 100).now).toEqual([short])
    expect(cut([short, long], 200).now).toHaveLength(2)
  })

  it('is refused as our own error where not even a key fits', () => {
    const internal = expect.objectContaining({ code: 'INTERNAL_SERVER_ERROR' })
    expect(() => cut([pairOf('m:a', filled(100))], 5)).toThrow(internal)
  })
})

describe('join', () => {
  it('reads several items run together under one key', () => {
    const lines = ['one\n', 'two\n'].map((line) => encode(utf8(line)))
    expect(itemsOf([pairOf('m:out', concat(...lines))])).toEqual(
      lines.map((value) => ({ key: 'm:out', value })),
    )
  })

  it('joins pieces of one key, in one message and across messages', () => {
    const value = filled(100)
    const first = join(null, [pairOf('m:a', value.subarray(0, 10))], true, 65_535)
    expect(first.incoming).toEqual([])
    const pieces = [value.subarray(10, 50), value.subarray(50)].map((part) => pairOf('m:a', part))
    const second = join(first.partial, pieces, false, 65_535)
    expect(second.partial).toBeNull()
    expect(second.incoming.map((one) => bytesOf(one.value))).toEqual([value])
  })

  it('hands over what is complete, and keeps only the rest', () => {
    const value = concat(filled(100), filled(100).subarray(0, 20))
    const { incoming, partial } = join(null, [pairOf('m:a', value)], true, 65_535)
    expect(incoming).toHaveLength(1)
    expect(partial).toEqual(pairOf('m:a', filled(100).subarray(0, 20)))
  })

  it('tells where an array, a map and a tag end', () => {
    const nested = fromHex('83 01 82 61 61 a1 02 41 00 c0 61 62'.replaceAll(' ', ''))
    expect(itemsOf([pairOf('m:a', concat(nested, nested))])).toHaveLength(2)
    for (let end = 1; end < nested.length; end++) {
      const { partial } = join(null, [pairOf('m:a', nested.subarray(0, end))], true, 65_535)
      expect(partial?.value).toHaveLength(end)
    }
  })

  it('gives nothing for an empty value', () => {
    expect(itemsOf([pairOf('m:a', new Uint8Array(0))])).toEqual([])
  })

  it('refuses a value that breaks off at another key', () => {
    const pairs = [pairOf('m:a', filled(9).subarray(0, 5)), pairOf('m:b', filled(1))]
    expect(() => join(null, pairs, true, 65_535)).toThrow(refusal)
  })

  it('refuses a value that breaks off where there is no more', () => {
    const pairs = [pairOf('m:a', filled(9).subarray(0, 5))]
    expect(() => join(null, pairs, false, 65_535)).toThrow(refusal)
    expect(() => join(pairs[0]!, [], false, 65_535)).toThrow(refusal)
  })

  it('refuses a value longer than is put together', () => {
    const pairs = [pairOf('m:a', filled(300).subarray(0, 200))]
    expect(() => join(null, pairs, true, 199)).toThrow(refusal)
    expect(join(null, pairs, true, 200).partial?.value).toHaveLength(200)
  })

  it.each(['5f4101ff', '9fff', '1c', 'f97c00', 'd9010400', '62c328'])(
    'refuses the item %s, which is not strict CBOR',
    (hex) => {
      const pairs = [pairOf('m:a', fromHex(hex))]
      expect(() => join(null, pairs, false, 65_535)).toThrow(refusal)
      expect(() => join(null, pairs, true, 65_535)).toThrow(refusal)
    },
  )
})

describe('an outbox', () => {
  it('says what room is left for a value', () => {
    const outbox = new Outbox(100)
    const most = outbox.roomFor('m:a')
    outbox.push('m:a', new Uint8Array(most))
    expect(outbox.roomFor('m:a')).toBeLessThan(0)
    expect(sizeOfPairs(outbox.flush().now)).toBe(100)
  })

  it('forgets what it had for a module that will not have it', () => {
    const outbox = new Outbox(100, [pairOf('m:a', filled(3)), pairOf('mm:a', filled(3))])
    outbox.drop('m')
    expect(outbox.flush().now.map(({ key }) => key)).toEqual(['mm:a'])
  })
})
