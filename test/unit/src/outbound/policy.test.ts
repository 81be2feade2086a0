/** Which addresses may be connected to, by where the service itself is reached. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { kindOf } from '../../../../src/addresses.ts'
import { OutboundPolicy } from '../../../../src/outbound/policy.ts'

const SOME = ['8.8.8.8', '127.0.0.1', '::1', '192.168.7.7', 'fd00::1', '169.254.169.254', '0.0.0.0']
const LOCAL = ['8.8.8.8', '127.0.0.1', '::1']

function policyOf(place: { hosts?: string[]; publicUrl?: string; outboundAllow?: string[] }) {
  const { hosts = ['127.0.0.1'], publicUrl, outboundAllow } = place
  return new OutboundPolicy({ hosts, publicUrl, outboundAllow })
}

describe('the policy', () => {
  it.each([
    [LOCAL, {}],
    [LOCAL, { hosts: ['localhost', '[::1]'] }],
    [LOCAL, { hosts: ['0.0.0.0'], publicUrl: 'http://localhost:8080' }],
    [['8.8.8.8', '192.168.7.7', 'fd00::1'], { hosts: ['127.0.0.1', '10.0.0.1'] }],
    [['8.8.8.8', '192.168.7.7', 'fd00::1'], { hosts: ['::'], publicUrl: 'http://[fd00::1]' }],
    [['8.8.8.8'], { hosts: ['::'], publicUrl: 'https://fdo.example' }],
    [['8.8.8.8'], { publicUrl: 'https://fdo.example' }],
    [['8.8.8.8'], { hosts: ['8.8.4.4', '127.0.0.1'] }],
    [['8.8.8.8', '169.254.169.254'], { outboundAllow: ['169.254.169.254'] }],
    [['8.8.8.8'], { outboundAllow: [] }],
  ])('permits %o to a service at %o', (expected, place) => {
    const policy = policyOf(place)
    expect(SOME.filter((address) => policy.permits('some.test', 80, address))).toEqual(expected)
  })

  it('permits the service itself, by its name and port', () => {
    const policy = policyOf({ publicUrl: 'https://Fdo.example' })
    policy.admitOwn('https://Fdo.example')
    policy.admitOwn('http://[fd00::1]:8080/base')
    policy.admitOwn('')
    expect(policy.permits('fdo.example', 443, '10.0.0.1')).toBe(true)
    expect(policy.permits('fd00::1', 8080, 'fd00::1')).toBe(true)
    expect(policy.permits('fdo.example', 80, '10.0.0.1')).toBe(false)
    expect(policy.permits('other.example', 443, '10.0.0.1')).toBe(false)
  })

  it('permits a public service nothing but public addresses', () => {
    const policy = policyOf({ publicUrl: 'https://fdo.example' })
    const address = fc.oneof(fc.ipV4(), fc.ipV6())
    fc.assert(
      fc.property(address, (one) => {
        expect(policy.permits('x.test', 80, one)).toBe(kindOf(one) === 'public')
      }),
    )
  })
})
