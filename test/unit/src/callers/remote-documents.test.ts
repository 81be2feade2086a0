/** Keys that others publish, fetched from servers on the loopback that mean no good. */
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { discoverKeys } from '../../../../src/callers/providers/discovery.ts'
import { RemoteKeys, publishedAt } from '../../../../src/callers/remote-documents.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { Outbound } from '../../../../src/outbound/outbound.ts'
import { OutboundPolicy } from '../../../../src/outbound/policy.ts'
import { programKey } from '../../../support/callers.ts'

let server: Server
let origin: string
let asked: number
let answering: (request: IncomingMessage, response: ServerResponse) => void
let clock: FakeClock
let outbound: Outbound
let remote: RemoteKeys

const { jwk } = await programKey()
const json = (value: unknown) => (_: IncomingMessage, response: ServerResponse) =>
  void response.end(JSON.stringify(value))

beforeEach(async () => {
  asked = 0
  answering = json({ keys: [jwk] })
  server = createServer((request, response) => {
    asked++
    answering(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  clock = new FakeClock()
  outbound = outboundTo('127.0.0.1')
  remote = new RemoteKeys(outbound, clock)
})
afterEach(async () => {
  outbound.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function outboundTo(...outboundAllow: string[]): Outbound {
  const publicUrl = 'https://fdo.example'
  return new Outbound(new OutboundPolicy({ hosts: ['::'], publicUrl, outboundAllow }))
}

const refused = (reason: RegExp) => expect(remote.at(origin)).rejects.toThrow(reason)

describe('keys that are published', () => {
  it('are fetched once for all who ask at a time, and kept for ten minutes', async () => {
    const both = await Promise.all([remote.at(origin), remote.at(origin)])
    for (const keys of both) expect(keys).toMatchObject([{ kty: 'EC', kid: jwk['kid'] }])
    clock.advance(599_000)
    await remote.at(origin)
    expect(asked).toBe(1)
    clock.advance(2_000)
    await remote.at(origin)
    expect(asked).toBe(2)
  })

  it('are fetched anew for who misses one, twice a minute at most', async () => {
    await remote.at(origin)
    await remote.newestAt(origin)
    expect(asked).toBe(1)
    clock.advance(30_000)
    await remote.newestAt(origin)
    await remote.newestAt(origin)
    expect(asked).toBe(2)
  })

  it('go on for an hour when nobody answers, and are asked for twice a minute at most', async () => {
    await remote.at(origin)
    answering = (_, response) => void response.writeHead(503).end()
    clock.advance(601_000)
    for (let i = 0; i < 3; i++) expect(await remote.at(origin)).toHaveLength(1)
    expect(asked).toBe(2)
    clock.advance(3_000_000)
    await refused(/answered 503/)
    answering = json({ keys: [jwk] })
    await refused(/answered 503/)
    clock.advance(30_000)
    expect(await remote.at(origin)).toHaveLength(1)
  })

  it('are not had from a place that we may not call', async () => {
    const shut = outboundTo()
    await expect(new RemoteKeys(shut, clock).at(origin)).rejects.toThrow(origin)
    expect(asked).toBe(0)
    shut.close()
  })

  it('are refused when they are a megabyte', async () => {
    answering = json({ keys: [jwk], padding: 'x'.repeat(1 << 20) })
    await refused(/more than 131072 bytes/)
  })

  it('are not waited for longer than a few seconds', async () => {
    answering = (_, response) => void response.write('{')
    const began = performance.now()
    await refused(/in time/)
    expect(performance.now() - began).toBeLessThan(10_000)
    await refused(/in time/)
    expect(asked).toBe(1)
  })

  it('are not looked for where a redirect leads', async () => {
    answering = (_, response) => void response.writeHead(302, { location: `${origin}/x` }).end()
    await refused(/redirect|answered 302/)
  })

  it('are refused when they are no JSON, or no keys', async () => {
    answering = (_, response) => void response.end('{')
    await refused(/JSON/)
    clock.advance(30_000)
    answering = (_, response) => void response.end(Buffer.of(0x22, 0xff, 0x22))
    await refused(/encoded|valid|data/)
    clock.advance(30_000)
    answering = json([])
    await refused(/no list of keys/)
  })
})

describe('an address is one to publish at', () => {
  it.each(['https://a.example/keys', 'http://127.0.0.1:8080', 'http://localhost', 'http://[::1]'])(
    'as %s',
    (url) => expect(publishedAt(url)).toBeDefined(),
  )

  it.each(['http://a.example', 'https://u@a.example', 'https://a.example/#x', 'ftp://a', 'a', ''])(
    'but not as %j',
    (url) => expect(publishedAt(url)).toBeUndefined(),
  )
})

describe('discovery', () => {
  it('looks where OpenID has it, then where OAuth has it', async () => {
    const issuer = `${origin}/realms/a`
    const seen: (string | undefined)[] = []
    answering = ({ url }, response) => {
      seen.push(url)
      if (url?.startsWith('/.well-known/')) {
        response.end(JSON.stringify({ issuer, jwks_uri: 'https://keys.example' }))
      } else response.writeHead(404).end()
    }
    expect(await discoverKeys(outbound, issuer)).toBe('https://keys.example')
    expect(seen).toEqual([
      '/realms/a/.well-known/openid-configuration',
      '/.well-known/oauth-authorization-server/realms/a',
    ])
  })

  it('believes no document of another issuer, nor keys that anyone could put there', async () => {
    answering = json({ issuer: 'https://elsewhere.example', jwks_uri: 'https://keys.example' })
    await expect(discoverKeys(outbound, origin)).rejects.toThrow('of the issuer')
    answering = json({ issuer: origin, jwks_uri: 'http://keys.example' })
    await expect(discoverKeys(outbound, origin)).rejects.toThrow('names no jwks_uri')
    answering = json(null)
    await expect(discoverKeys(outbound, origin)).rejects.toThrow('of the issuer')
  })
})
