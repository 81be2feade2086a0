/** Where a request came from, and who may say so for another. */
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
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
