import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMeantFor } from '../../../../src/rendezvous/audience.ts'

describe('a request of an owner elsewhere is meant for a rendezvous', () => {
  it.each([
    ['of this URL', 'https://rv.test', ['https://rv.test']],
    ['of one of these', 'https://b.test', ['https://a.test', 'https://b.test/path']],
    ['by another port and protocol', 'http://rv.test:8070', ['https://rv.test']],
    ['in other letters', 'https://RV.test.', ['https://rv.test']],
    ['by its address', 'http://[2001:db8::1]:8070', ['https://[2001:DB8:0::1]']],
    ['on this machine', 'http://localhost:8070', ['http://127.0.0.1:8070']],
    ['on this machine, by IPv6', 'http://[::1]:8070', ['http://localhost:8070']],
  ])('%s', (_, audience, urls) => {
    expect(isMeantFor(audience, urls)).toBe(true)
  })

  it.each([
    ['of another name', 'https://rv.test.other.test', ['https://rv.test']],
    ['of another address', 'http://192.0.2.1', ['http://192.0.2.2']],
    ['on this machine, where it is elsewhere', 'http://localhost', ['https://rv.test']],
    ['at no URL', 'rv.test', ['https://rv.test']],
    ['without a host', 'data:text', ['data:text']],
    ['that has none', 'https://rv.test', ['', 'off']],
  ])('but not of one %s', (_, audience, urls) => {
    expect(isMeantFor(audience, urls)).toBe(false)
  })

  it('whatever the audience is, nothing is thrown', () => {
    fc.assert(fc.property(fc.string(), (text) => !isMeantFor(text, ['https://rv.test'])))
    fc.assert(fc.property(fc.ipV4(), (ip) => isMeantFor(`http://${ip}:80`, [`https://${ip}`])))
  })
})
