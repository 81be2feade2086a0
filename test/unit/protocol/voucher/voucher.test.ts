import { describe, expect, it } from 'vitest'
import { Encoded, type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import { encodeAs, decodeAs } from '../../../../protocol/cbor/schema.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { OVEntryPayload, OVHeader, VoucherError } from '../../../../protocol/voucher/voucher.ts'
import { ownerKeyOf, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()

function checkOf(encoded: Uint8Array): string {
  try {
    parseVoucher(encoded)
  } catch (error) {
    if (error instanceof VoucherError) return error.check
    throw error
  }
  return expect.fail('it was parsed')
}

describe('reading a voucher', () => {
  it('refuses more than a message holds before it looks inside', () => {
    expect(checkOf(new Uint8Array(65_536))).toBe('too-large')
  })

  it('refuses what is no voucher as malformed, with the place where it went wrong', () => {
    expect(checkOf(new Uint8Array(0))).toBe('malformed')
    expect(checkOf(encode([101]))).toBe('malformed')
    expect(() => parseVoucher(encode([101, 1, 2, 3, 4]))).toThrow('OwnershipVoucher.header')
  })

  it('refuses the four elements of FDO 1.0', () => {
    expect(checkOf(encode([new Uint8Array(1), 1, null, []]))).toBe('malformed')
  })

  it('refuses bytes after the voucher', async () => {
    const { bytes } = await makeVoucher(parts)
    expect(checkOf(Uint8Array.from([...bytes, 0]))).toBe('malformed')
  })

  it('names a GUID of another length by the code TO0 has for it', () => {
    const header = encodeAs(OVHeader, { ...parts.header, protVer: 101, guid: new Uint8Array(15) })
    const codeOf = () => decodeAs(OVHeader, header, 'OVHeader')
    expect(codeOf).toThrow(expect.objectContaining({ code: 'INVALID_GUID' }))
    expect(codeOf).toThrow(FdoError)
  })

  it('finds the owner in the last entry, and the manufacturer where there is none', async () => {
    const [manufacturer, first, second] = parts.publicKeys
    const keyOf = async (sales: number) => {
      const voucher = await makeVoucher(parts, { sales })
      return ownerKeyOf(voucher).value.key.spki
    }
    expect(await keyOf(0)).toEqual(manufacturer?.key.spki)
    expect(await keyOf(1)).toEqual(first?.key.spki)
    expect(await keyOf(2)).toEqual(second?.key.spki)
  })
})

describe('OVEExtra', () => {
  const map = encode(new Map([[-65_537, new Uint8Array(1)]]))

  it.each<[string, CborValue, Uint8Array | null]>([
    ['null', null, null],
    ['a map in a byte string', map, map],
    ['a bare map', new Encoded(map), map],
  ])('is read as %s', (_, extra, expected) => {
    const { publicKey } = parts.header
    const hash = [-16, new Uint8Array(32)]
    const payload = encode([hash, hash, extra, new Encoded(publicKey.bytes)])
    const parsed = decodeAs(OVEntryPayload, payload, 'payload')
    expect(parsed.extra).toEqual(expected)
  })
})
