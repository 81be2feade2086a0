import fc from 'fast-check'
import { isIP } from 'node:net'
import { describe, expect, it } from 'vitest'
import { fromHex } from '../../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import { IpAddress, formatIp, parseIp } from '../../../../protocol/types/ip-address.ts'

describe('an IP address', () => {
  it.each([
    ['127.0.0.1', '7f000001'],
    ['::', '00000000000000000000000000000000'],
    ['::1', '00000000000000000000000000000001'],
    ['2001:db8::', '20010db8000000000000000000000000'],
    ['2001:db8:0:1::2', '20010db8000000010000000000000002'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008'],
    ['1::4:0:0:7:8', '00010000000000040000000000070008'],
  ])('%s', (text, hex) => {
    expect(formatIp(fromHex(hex))).toBe(text)
    expect(parseIp(text)).toEqual(fromHex(hex))
  })

  it.each([
    ['::ffff:127.0.0.1', '7f000001'],
    ['::FFFF:7F00:1', '7f000001'],
    ['64:ff9b::10.0.0.1', '0064ff9b00000000000000000a000001'],
    ['0:0:0:0:0:0:0:1', '00000000000000000000000000000001'],
  ])('reads %s', (text, hex) => {
    expect(parseIp(text)).toEqual(fromHex(hex))
  })

  it('reads what Node takes for one, and nothing else', () => {
    const letters = fc.string({ unit: fc.constantFrom(...'0123456789af.:'), maxLength: 20 })
    const groups = fc.array(fc.constantFrom('0', 'ff', '', '1', '10.0.0.1', '10000'), {
      maxLength: 9,
    })
    fc.assert(
      fc.property(
        fc.oneof(
          letters,
          groups.map((parts) => parts.join(':')),
          fc.ipV6(),
        ),
        (text) => {
          expect(parseIp(text) !== undefined).toBe(isIP(text) !== 0)
        },
      ),
      { numRuns: 2000 },
    )
  })

  it('comes back from text as it was', () => {
    const address = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    )
    fc.assert(
      fc.property(address, (bytes) => {
        expect(parseIp(formatIp(bytes))).toEqual(bytes)
      }),
    )
  })

  it('is written in 4 bytes where that is enough', () => {
    const mapped = fromHex(`50${'00'.repeat(10)}ffff7f000001`)
    const address = decodeAs(IpAddress, mapped, 'ip')
    expect(encodeAs(IpAddress, address)).toEqual(fromHex('447f000001'))
    expect(encodeAs(IpAddress, mapped.subarray(1))).toEqual(fromHex('447f000001'))
  })

  it('of another length is refused by the code TO0 has for it', () => {
    const refused = expect.objectContaining({ code: 'INVALID_IP_ADDRESS' })
    expect(() => decodeAs(IpAddress, fromHex('43010203'), 'ip')).toThrow(refused)
    expect(() => decodeAs(IpAddress, fromHex('40'), 'ip')).toThrow(refused)
  })
})
