/** What kind of address an address is. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kindOf, networkOf } from '../../../src/addresses.ts'

describe('an address', () => {
  it.each([
    ['public', ['8.8.8.8', '2606:4700::1', '::ffff:8.8.8.8', '64:ff9b::808:808']],
    ['loopback', ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1']],
    ['private', ['10.0.0.1', '172.31.9.9', '192.168.0.1', '100.64.0.1', 'fd00::1']],
    ['private', ['::ffff:10.0.0.1', '64:ff9b::a00:1']],
    ['link-local', ['169.254.169.254', 'fe80::1', '::ffff:169.254.169.254']],
    ['special', ['0.0.0.0', '0.1.2.3', '::', '192.0.2.1', '198.51.100.1', '203.0.113.1']],
    ['special', ['192.0.0.8', '198.18.0.1', '224.0.0.1', '239.1.1.1', '240.0.0.1']],
    ['special', ['255.255.255.255', '192.88.99.1', 'ff02::1', '2001:db8::1', '3fff::1']],
    ['special', ['2002:7f00:1::', '2001::1', 'fec0::1', '64:ff9b:1::808:808', '::7f00:1']],
    ['special', ['4000::1', '5f00::1', '100::1', 'localhost', '']],
  ])('is %s: %o', (kind, addresses) => {
    expect(addresses.map(kindOf)).toEqual(addresses.map(() => kind))
  })

  it('is of the same kind in IPv4 and mapped into IPv6', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(kindOf(`::ffff:${address}`)).toBe(kindOf(address))
      }),
    )
  })

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:1:2:3:4:5', '2001:db8:0:1::'],
    ['', ''],
  ])('%j is as one caller with %j', (address, other) => {
    expect(networkOf(address)).toBe(networkOf(other))
    expect(networkOf(address)).not.toBe(networkOf('2001:db8:0:2::'))
  })
})
