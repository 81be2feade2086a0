import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { hash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { FdoError } from '../../../../protocol/errors.ts'
import { spkiOfCertificate } from '../../../../protocol/x509/certificate.ts'
import { deviceIdOf } from '../../../../src/vouchers/device-id.ts'
import { partsOf } from '../../../support/vouchers.ts'

describe('the id of a device', () => {
  const spki = spkiOfCertificate(partsOf().chain[0] ?? expect.fail())

  it('is the beginning of its key’s SHA-256 in base32', () => {
    const bits = Array.from(hash('sha256', spki, 'buffer'), (byte) =>
      byte.toString(2).padStart(8, '0'),
    ).join('')
    const letters = 'abcdefghijklmnopqrstuvwxyz234567'
    const expected = Array.from(
      { length: 26 },
      (_, i) => letters[Number.parseInt(bits.slice(5 * i, 5 * i + 5), 2)],
    )
    expect(deviceIdOf(HOME_PARTY, spki)).toBe(`fdod_${expected.join('')}`)
  })

  it('is not given to what is no key', () => {
    expect(() => deviceIdOf(HOME_PARTY, new Uint8Array(91))).toThrow(FdoError)
  })
})
