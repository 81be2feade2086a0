/** Where a request came from, and who may say so for another. */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../../../protocol/x509/pem.ts'
import { isWithin } from '../../../../src/addresses.ts'
import { IncomingSource } from '../../../../src/http/source.ts'
import { partsOf } from '../../../support/vouchers.ts'

function sourceOf(
  peer: string,
  headers: Record<string, string>,
  addresses: string[] = [],
  certificateHeader?: string,
) {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const incoming = new IncomingMessage(socket)
  Object.assign(incoming.headers, headers)
  const { address, forwarded, clientCertificate } = new IncomingSource(incoming, {
    addresses,
    certificateHeader,
  })
  return { address, forwarded, clientCertificate }
}

describe('the source of a request', () => {
  it('is the peer, whose IPv4-mapped address counts as IPv4', () => {
    expect(sourceOf('::ffff:10.1.2.3', {})).toEqual({
      address: '10.1.2.3',
      forwarded: false,
      clientCertificate: undefined,
    })
    expect(sourceOf('::1', {}).address).toBe('::1')
  })

  it.each(['forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-real-ip'])(
    'is unsure where %s comes from anyone',
    (header) => {
      expect(sourceOf('127.0.0.1', { [header]: '10.0.0.1' })).toMatchObject({
        address: '127.0.0.1',
        forwarded: true,
      })
    },
  )

  it('is what a trusted proxy says it is', () => {
    const headers = { 'x-forwarded-for': '10.0.0.1' }
    expect(sourceOf('192.0.2.1', headers, ['192.0.2.0/24'])).toMatchObject({
      address: '10.0.0.1',
      forwarded: false,
    })
  })

  it('is the last before our proxies: what stands before it, anyone may have written', () => {
    const headers = { 'x-forwarded-for': '127.0.0.1, 203.0.113.9, 192.0.2.7' }
    expect(sourceOf('192.0.2.1', headers, ['192.0.2.0/24']).address).toBe('203.0.113.9')
  })

  it('is unsure where a trusted proxy does not say whom it speaks for', () => {
    for (const forwardedFor of ['', 'unknown', '192.0.2.9']) {
      const headers = { 'x-forwarded-for': forwardedFor }
      expect(sourceOf('192.0.2.1', headers, ['192.0.2.0/24']).forwarded).toBe(true)
    }
  })
})

describe("a client's certificate, handed on by a proxy", () => {
  const [der = expect.fail()] = partsOf().chain
  const pem = certificatesToPem([der])
  const escaped = encodeURIComponent(pem)
  const shown = (value: string, more: { peer?: string; headers?: Record<string, string> } = {}) => {
    const { peer = '192.0.2.1', headers = { 'x-forwarded-for': '203.0.113.9' } } = more
    const all = { ...headers, 'client-cert': value }
    return sourceOf(peer, all, ['192.0.2.0/24'], 'client-cert').clientCertificate
  }

  it.each([
    ['a byte sequence of RFC 9440', `:${Buffer.from(der).toString('base64')}:`],
    ['PEM in the escapes of a URL', escaped],
  ])('is taken as %s', (_, value) => {
    expect(new Uint8Array(shown(value) ?? [])).toEqual(der)
  })

  it('counts from a proxy we trust only, and only if it says that it is one', () => {
    expect(shown(escaped)).toBeDefined()
    expect(shown(escaped, { peer: '203.0.113.9' })).toBeUndefined()
    expect(shown(escaped, { headers: {} })).toBeUndefined()
  })

  it('is looked for in the header that was configured, if one was', () => {
    const headers = { 'x-forwarded-for': '203.0.113.9', 'client-cert': escaped }
    const withHeader = (name?: string) =>
      sourceOf('192.0.2.1', headers, ['192.0.2.0/24'], name).clientCertificate
    expect(withHeader('client-cert')).toBeDefined()
    expect(withHeader('ssl-client-cert')).toBeUndefined()
    expect(withHeader()).toBeUndefined()
  })

  it.each([
    ['nothing', ''],
    ['a broken escape', '%E0%A4%A'],
    ['base64 of something else', ':aGVsbG8=:'],
    [
      'PEM of something else',
      encodeURIComponent('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
    ],
    ['two certificates', encodeURIComponent(pem + pem)],
    ['two headers in one', `${escaped}, ${escaped}`],
    ['DER without its colons', Buffer.from(der).toString('base64')],
  ])('is none where the header holds %s', (_, value) => {
    expect(shown(value)).toBeUndefined()
  })

  it('is never taken from what is not a certificate', () => {
    fc.assert(fc.property(fc.string(), (value) => shown(value) === undefined))
  })
})

describe('the listener a request came in by', () => {
  it('is that of its own connection, whatever a proxy says of its clients', () => {
    const plain = new IncomingMessage(new Socket())
    Object.assign(plain.headers, { 'x-forwarded-proto': 'https' })
    expect(new IncomingSource(plain, { addresses: ['0.0.0.0/0', '::/0'] }).listener).toBe('http')
    const secure = new IncomingMessage(new TLSSocket(new Socket()))
    expect(new IncomingSource(secure, { addresses: [] }).listener).toBe('https')
  })
})

describe('secrets may come', () => {
  const confidential = (peer: string, headers: Record<string, string> = {}, socket?: Socket) => {
    const from = socket ?? new Socket()
    Object.defineProperty(from, 'remoteAddress', { value: peer })
    const incoming = new IncomingMessage(from)
    Object.assign(incoming.headers, headers)
    return new IncomingSource(incoming, { addresses: ['192.0.2.0/24'] }).confidential
  }

  it('over TLS, from this machine, or through a trusted proxy that got them over TLS', () => {
    expect(confidential('203.0.113.9', {}, new TLSSocket(new Socket()))).toBe(true)
    expect(confidential('127.0.0.1')).toBe(true)
    expect(confidential('::1')).toBe(true)
    expect(confidential('192.0.2.1', { 'x-forwarded-proto': 'https' })).toBe(true)
    expect(confidential('192.0.2.1', { 'x-forwarded-proto': 'http, HTTPS' })).toBe(true)
  })

  it('in no other way', () => {
    expect(confidential('203.0.113.9')).toBe(false)
    expect(confidential('192.0.2.1')).toBe(false)
    expect(confidential('192.0.2.1', { 'x-forwarded-proto': 'https, http' })).toBe(false)
    expect(confidential('192.0.2.1', { 'x-forwarded-for': '203.0.113.9' })).toBe(false)
    expect(confidential('127.0.0.1', { 'x-forwarded-proto': 'https' })).toBe(false)
    expect(confidential('203.0.113.9', { 'x-forwarded-proto': 'https' })).toBe(false)
  })
})

describe('isWithin', () => {
  it('compares an address with ranges of its kind', () => {
    expect(isWithin('127.9.9.9', ['127.0.0.0/8'])).toBe(true)
    expect(isWithin('::ffff:127.0.0.1', ['127.0.0.0/8'])).toBe(true)
    expect(isWithin('::1', ['127.0.0.0/8', '::1/128'])).toBe(true)
    expect(isWithin('128.0.0.1', ['127.0.0.0/8', '::1/128'])).toBe(false)
    expect(isWithin('10.0.0.7', ['10.0.0.7'])).toBe(true)
    expect(isWithin('no address', ['0.0.0.0/0'])).toBe(false)
    expect(isWithin('10.0.0.7', [])).toBe(false)
  })
})
