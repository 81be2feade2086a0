/** Where a request came from, and who may say so for another. */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { isWithin } from '../../../../src/addresses.ts'
import { IncomingSource } from '../../../../src/http/source.ts'

function sourceOf(peer: string, headers: Record<string, string>, trusted: string[] = []) {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const incoming = new IncomingMessage(socket)
  Object.assign(incoming.headers, headers)
  const { address, forwarded, clientCertificate } = new IncomingSource(incoming, trusted)
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

describe('the listener a request came in by', () => {
  it('is that of its own connection, whatever a proxy says of its clients', () => {
    const plain = new IncomingMessage(new Socket())
    Object.assign(plain.headers, { 'x-forwarded-proto': 'https' })
    expect(new IncomingSource(plain, ['0.0.0.0/0', '::/0']).listener).toBe('http')
    const secure = new IncomingMessage(new TLSSocket(new Socket()))
    expect(new IncomingSource(secure, []).listener).toBe('https')
  })
})

describe('secrets may come', () => {
  const confidential = (peer: string, headers: Record<string, string> = {}, socket?: Socket) => {
    const from = socket ?? new Socket()
    Object.defineProperty(from, 'remoteAddress', { value: peer })
    const incoming = new IncomingMessage(from)
    Object.assign(incoming.headers, headers)
    return new IncomingSource(incoming, ['192.0.2.0/24']).confidential
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
