import { describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import {
  DeviceServiceInfo,
  KeyValue,
  announcedLimit,
  sizeOfPair,
  splitKey,
  valueBytesWithin,
} from '../../../../protocol/service-info/service-info.ts'

describe('ServiceInfo', () => {
  it('is an array of pairs, in order', () => {
    const pairs = [
      { key: 'a:b', value: Uint8Array.of(1) },
      { key: 'a:b', value: Uint8Array.of(2) },
    ]
    const message = { isMoreServiceInfo: true, serviceInfo: pairs }
    expect(decodeAs(DeviceServiceInfo, encodeAs(DeviceServiceInfo, message), '68')).toEqual(message)
  })

  it('is empty where a device writes null', () => {
    const read = decodeAs(DeviceServiceInfo, encode([false, null]), '68')
    expect(read).toEqual({ isMoreServiceInfo: false, serviceInfo: [] })
  })

  it('refuses a value that is not a byte string', () => {
    const message = encode([false, [['a:b', true]]])
    expect(() => decodeAs(DeviceServiceInfo, message, '68')).toThrow(/byte string/)
  })
})

describe('sizes', () => {
  it('takes null and what is below 1300 for 1300', () => {
    expect([null, 0, 17, 1299, 1300, 64_000].map(announcedLimit)).toEqual([
      1300, 1300, 1300, 1300, 1300, 64_000,
    ])
  })

  it('counts a pair as it is encoded', () => {
    for (const key of ['m:x', 'a'.repeat(30), 'é:𝄞'.repeat(20)]) {
      for (const length of [0, 1, 23, 24, 255, 256, 65_535, 65_536]) {
        const encoded = encodeAs(KeyValue, { key, value: new Uint8Array(length) })
        expect(sizeOfPair(key, length)).toBe(encoded.length)
      }
    }
  })

  it('finds the longest value that fits, and no longer one', () => {
    for (let room = 6; room < 700; room++) {
      const most = valueBytesWithin(room, 'm:x')
      if (most >= 0) expect(sizeOfPair('m:x', most)).toBeLessThanOrEqual(room)
      expect(sizeOfPair('m:x', most + 1)).toBeGreaterThan(room)
    }
    expect(valueBytesWithin(5, 'm:x')).toBeLessThan(0)
  })
})

describe('keys', () => {
  it('splits at the first colon', () => {
    expect(splitKey('fdo.x:y:z')).toEqual({ module: 'fdo.x', message: 'y:z' })
  })

  it.each(['nothing', ':message', 'module:', ':', ''])('refuses "%s"', (key) => {
    expect(() => splitKey(key)).toThrow(expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' }))
  })
})
