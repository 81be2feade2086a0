import { describe, expect, it } from 'vitest'
import { isPem, voucherToPem, vouchersFromPem } from '../../../../protocol/voucher/pem.ts'
import { VoucherError } from '../../../../protocol/voucher/voucher.ts'
import { voucherVectors } from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

const [first, second] = voucherVectors.map(({ good }) => fromHex(good[1]?.voucher ?? ''))
const pem = voucherToPem(first ?? expect.fail())

describe('a voucher as PEM', () => {
  it('has lines of 64 letters between its labels', () => {
    const lines = pem.trimEnd().split('\n')
    expect(lines[0]).toBe('-----BEGIN OWNERSHIP VOUCHER-----')
    expect(lines.at(-1)).toBe('-----END OWNERSHIP VOUCHER-----')
    expect(lines.slice(1, -2).every((line) => line.length === 64)).toBe(true)
  })

  it('is read with line ends as Java writes them, and no last one', () => {
    const windows = pem.trimEnd().replaceAll('\n', '\r\n')
    expect(vouchersFromPem(windows)).toEqual([first])
  })

  it('is read from a bundle, with text around', () => {
    const bundle = `two devices\n${pem}and\n${voucherToPem(second ?? expect.fail())}`
    expect(vouchersFromPem(bundle)).toEqual([first, second])
  })

  it.each([
    ['has no block', 'nothing here'],
    ['has a block of another kind', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
    ['is cut off', pem.slice(0, -40)],
    ['is not base64', pem.replace('A', '*')],
  ])('is refused where it %s', (_, text) => {
    expect(() => vouchersFromPem(text)).toThrow(VoucherError)
  })

  it('is told from CBOR by its first byte', () => {
    expect(isPem(new TextEncoder().encode(pem))).toBe(true)
    expect(isPem(first ?? expect.fail())).toBe(false)
    expect(isPem(new Uint8Array(0))).toBe(false)
  })
})
