import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { RendezvousInfo } from '../../../../protocol/types/rendezvous-info.ts'
import {
  describeRendezvousInfo,
  rendezvousInfoFromText,
} from '../../../../protocol/types/rendezvous-text.ts'

const describeHex = (hex: string) =>
  describeRendezvousInfo(decodeAs(RendezvousInfo, fromHex(hex), 'RendezvousInfo'))

const everything = {
  dev_only: true,
  ip: '10.1.2.3',
  dev_port: 8080,
  owner_port: 8081,
  dns: 'rv.example',
  sv_cert_hash: `sha256:${'ab'.repeat(32)}`,
  cl_cert_hash: `sha384:${'cd'.repeat(48)}`,
  user_input: true,
  wifi_ssid: 'factory',
  wifi_pw: 'secret',
  medium: 21,
  protocol: 'http',
  delay_seconds: 4_294_967_295,
  bypass: true,
  ext_rv: '82616101',
}

describe('rendezvous info in text', () => {
  it('comes back as it was written, with every variable', () => {
    const info = rendezvousInfoFromText([everything, { owner_only: true, ip: '2001:db8::1' }])
    expect(describeRendezvousInfo(info.value)).toEqual([
      everything,
      { owner_only: true, ip: '2001:db8::1' },
    ])
    expect(describeRendezvousInfo(decodeAs(RendezvousInfo, info.bytes, ''))).toEqual(
      describeRendezvousInfo(info.value),
    )
  })

  it('is written in the canonical form, a directive’s variables in ascending order', () => {
    const { bytes } = rendezvousInfoFromText([
      { bypass: true, protocol: 'https', ip: '127.0.0.1', dev_port: 443 },
    ])
    expect(toHex(bytes)).toBe('8184820245447f00000182034319' + '01bb820c4102810e')
  })

  it('leaves out what is false', () => {
    const { value } = rendezvousInfoFromText([{ dns: 'rv', bypass: false, user_input: false }])
    expect(value).toEqual([[expect.objectContaining({ variable: 5 })]])
  })

  it.each([
    ['nothing', undefined],
    ['no directive', []],
    ['a directive that is no object', ['rv.example']],
    ['a list as a directive', [[]]],
    ['null as a directive', [null]],
    ['a list where a name belongs', [{ dns: 'rv', protocol: ['http'] }]],
    ['a name nobody knows', [{ dns: 'rv', dns_name: 'x' }]],
    ['no address', [{ dev_port: 80 }]],
    ['text where a number belongs', [{ dns: 'rv', dev_port: '80' }]],
    ['a number where text belongs', [{ dns: 5 }]],
    ['an object as a value', [{ dns: {} }]],
    ['null as a value', [{ dns: null }]],
    ['a port beyond 65,535', [{ dns: 'rv', dev_port: 65_536 }]],
    ['a delay that is negative', [{ dns: 'rv', delay_seconds: -1 }]],
    ['a fraction', [{ dns: 'rv', delay_seconds: 1.5 }]],
    ['an address that is none', [{ ip: '10.1.2.256' }]],
    ['a protocol that is none', [{ dns: 'rv', protocol: 'ftp' }]],
    ['a hash that is none', [{ dns: 'rv', sv_cert_hash: 'md5:00' }]],
    ['a hash too short', [{ dns: 'rv', sv_cert_hash: 'sha256:00' }]],
    ['an odd digit', [{ dns: 'rv', sv_cert_hash: 'sha256:000' }]],
    ['an external mechanism that is no CBOR', [{ ext_rv: 'ff' }]],
    ['a reason why it cannot be read', [{ dns: 'rv', invalid: 'x' }]],
  ])('is refused with %s', (_, json) => {
    expect(() => rendezvousInfoFromText(json)).toThrow(FdoError)
  })

  it('of any JSON is read or refused, nothing else', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        try {
          rendezvousInfoFromText([{ dns: json }])
          rendezvousInfoFromText(json)
        } catch (error) {
          expect(error).toBeInstanceOf(FdoError)
        }
      }),
    )
  })
})

describe('rendezvous info read from a voucher', () => {
  it.each([
    ['a flag alone', '8181810e', { bypass: true }],
    ['a flag with null', '8181820ef6', { bypass: true }],
    ['a flag with true', '8181820e41f5', { bypass: true }],
    ['a flag with false, which is none', '8181820e41f4', {}],
    ['a flag with something else', '8181820e40', { bypass: true }],
    ['RVUserInput as a flag', '81818108', { user_input: true }],
    ['RVUserInput true', '8181820841f5', { user_input: true }],
    ['RVUserInput false', '8181820841f4', {}],
    ['IPv4 in 4 bytes', '818182024544' + '7f000001', { ip: '127.0.0.1' }],
    ['IPv4 in 16', '818182025150' + '00'.repeat(10) + 'ffff7f000001', { ip: '127.0.0.1' }],
    ['a variable unknown to us', '8181821863' + '4101', {}],
  ])('has %s', (_, hex, expected) => {
    expect(describeHex(hex)).toEqual([expected])
  })

  it.each([
    ['a variable twice', '8182810e810e', 'once'],
    ['no value where one belongs', '81818103', 'dev_port'],
    ['a value of the wrong type', '8181820342' + '6161', 'dev_port'],
    ['an address of three bytes', '81818202444' + '3010203', '3 bytes'],
    ['a protocol nobody knows', '8181820c4107', 'protocol'],
    ['a value that is no CBOR', '81818203' + '41ff', 'CBOR'],
  ])('says what is wrong with %s', (_, hex, reason) => {
    expect(describeHex(hex)[0]?.invalid).toContain(reason)
  })
})
