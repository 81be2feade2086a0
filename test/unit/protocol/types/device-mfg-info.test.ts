import { describe, expect, it } from 'vitest'
import { EMPTY } from '../../../../protocol/bytes.ts'
import { type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import { buildMfgInfo, parseMfgInfo } from '../../../../protocol/types/device-mfg-info.ts'

const csr = Uint8Array.of(0x30, 0)
const five: CborValue[] = [10, 1, 'SN-1', 'model', csr]
const info = { keyType: 10, keyEncoding: 1, serial: 'SN-1', deviceInfo: 'model', csr } as const

describe('DeviceMfgInfo', () => {
  it('is written as it is read', () => {
    expect(buildMfgInfo(info)).toEqual(encode(five))
    expect(parseMfgInfo(buildMfgInfo(info))).toEqual({ form: 'csr', ...info })
  })

  it.each([
    ['MAC addresses', [...five, EMPTY]],
    ['what an Intel CSE adds', [...five, EMPTY, EMPTY, EMPTY, EMPTY]],
  ])('may come with %s', (_, items) => {
    expect(parseMfgInfo(encode(items))).toEqual({ form: 'csr', ...info })
  })

  it('may be a name alone, as fdo-rs sends it', () => {
    expect(parseMfgInfo(encode('device'))).toEqual({ form: 'text', name: 'device' })
  })

  it('may be absent, as go-fdo sends it', () => {
    expect(parseMfgInfo(null)).toEqual({ form: 'none' })
    expect(parseMfgInfo(encode(null))).toEqual({ form: 'none' })
  })

  it.each<[string, CborValue]>([
    ['four items', five.slice(0, 4)],
    ['ten items', [...five, ...five]],
    ['a key type of FDO 1.0', [13, ...five.slice(1)]],
    ['a map', new Map()],
  ])('is refused with %s', (_, content) => {
    expect(() => parseMfgInfo(encode(content))).toThrow('DeviceMfgInfo')
  })

  it('is refused where it is no CBOR', () => {
    expect(() => parseMfgInfo(EMPTY)).toThrow('CBOR')
  })
})
