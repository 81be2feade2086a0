import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import {
  type To2Address,
  To2Addresses,
  describeTo2Addresses,
  findAddressFlaw,
  planTo2,
  to2AddressesFromText,
} from '../../../../protocol/types/to2-address.ts'

const http: To2Address = { ip: null, dns: 'owner', port: 8043, protocol: 3 }

describe('the owner’s addresses', () => {
  it('read as go-fdo writes them', () => {
    // [[null, "owner.example.test", 8043, 3 = HTTP]]
    const hex = '8184f6726f776e65722e6578616d706c652e74657374191f6b03'
    const addresses = decodeAs(To2Addresses, fromHex(hex), 'to1dRV')
    expect(addresses).toEqual([{ ...http, dns: 'owner.example.test' }])
    expect(toHex(encodeAs(To2Addresses, addresses))).toBe(hex)
  })

  it.each([
    ['neither IP nor DNS', { dns: null }, 'neither'],
    ['an empty DNS name and no IP', { dns: '' }, 'neither'],
    ['port 0', { port: 0 }, 'port 0'],
    ['a protocol nobody knows', { protocol: 7 }, 'unknown protocol'],
  ])('are refused by a rendezvous with %s', (_, wrong, reason) => {
    expect(findAddressFlaw([http, { ...http, ...wrong }])).toContain(reason)
  })

  it('are taken by a rendezvous where they are good', () => {
    expect(findAddressFlaw([http, { ...http, dns: null, ip: fromHex('7f000001') }])).toBeUndefined()
  })

  it('are tried name first, and only over HTTP', () => {
    const both = { ip: fromHex('7f000001'), dns: 'owner', port: 443, protocol: 5 }
    const others = [1, 2, 4, 6, 99].map((protocol) => ({ ...http, protocol }))
    expect(planTo2([both, ...others, http]).map(({ url }) => url)).toEqual([
      'https://owner:443',
      'https://127.0.0.1:443',
      'http://owner:8043',
    ])
  })

  it('that lead nowhere are left out', () => {
    expect(
      planTo2([
        { ...http, port: 0 },
        { ...http, dns: 'a@b' },
      ]),
    ).toEqual([])
  })
})

describe('the owner’s addresses in text', () => {
  it('come back as they were written', () => {
    const texts = [
      { dns: 'owner', ip: '10.0.0.1', port: 8043, protocol: 'http' },
      { ip: '::1', port: 443, protocol: 'https' },
    ]
    expect(describeTo2Addresses(to2AddressesFromText(texts))).toEqual(texts)
  })

  it('show the number of a protocol that has no name', () => {
    expect(describeTo2Addresses([{ ...http, protocol: 9 }])).toEqual([
      { dns: 'owner', port: 8043, protocol: 9 },
    ])
  })

  it('say which member is wrong', () => {
    const json = [{ ip: 'a', dns: 'a', port: 1, protocol: 'http' }]
    expect(() => to2AddressesFromText(json)).toThrow('[0].ip: expected an IP address')
  })

  it.each([
    ['nothing', undefined],
    ['no address', []],
    ['null', [null]],
    ['a name nobody knows', [{ dns: 'a', port: 1, protocol: 'http', url: '' }]],
    ['neither name nor address', [{ port: 1, protocol: 'http' }]],
    ['an address that is none', [{ ip: 'a', port: 1, protocol: 'http' }]],
    ['a number for an address', [{ ip: 1, port: 1, protocol: 'http' }]],
    ['a name that is none', [{ dns: 'a b', port: 1, protocol: 'http' }]],
    ['no port', [{ dns: 'a', protocol: 'http' }]],
    ['port 0', [{ dns: 'a', port: 0, protocol: 'http' }]],
    ['a port too high', [{ dns: 'a', port: 65_536, protocol: 'http' }]],
    ['a protocol that is none', [{ dns: 'a', port: 1, protocol: 'ftp' }]],
  ])('are refused with %s', (_, json) => {
    expect(() => to2AddressesFromText(json)).toThrow(FdoError)
  })
})
