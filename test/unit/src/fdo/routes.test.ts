/** FDO's HTTP transport, over real sockets. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { decode, encode } from '../../../../protocol/cbor/cbor.ts'
import { ServiceBusy, httpTransport } from '../../../../src/fdo/client.ts'
import { FdoHttp } from '../../../../src/fdo/http.ts'
import { Pace } from '../../../../src/fdo/pace.ts'
import { fdoRoutes } from '../../../../src/fdo/routes.ts'
import { createApp } from '../../../../src/http/app.ts'
import { silentLog } from '../../../../src/log.ts'
import { type ExchangeWorld, exchangeWorld } from '../../../support/exchange-world.ts'
import { keepBusy } from '../../../support/keep-busy.ts'
import { type Listening, call, listening, talk } from '../../../support/listening.ts'
import { Load } from '../../../../src/load.ts'

const CBOR = { 'content-type': 'application/cbor' }
const one = encode([1])
const codeOf = (body: Uint8Array) => (decode(body) as [number])[0]

describe.each([
  ['taken before any route', true],
  ['that came through the routes', false],
])('a message %s', (_, isTakenFirst) => {
  let world: ExchangeWorld
  let server: Listening

  beforeAll(async () => {
    world = await exchangeWorld()
    server = await serve()
  })
  afterAll(async () => {
    await server.close()
    await world.close()
  })

  function serve(limits: { slowestBodyMs?: number } = {}): Promise<Listening> {
    const { exchange, clock } = world
    const load = new Load()
    const fdo = new FdoHttp({ exchange, load, trustedProxies: { addresses: [] }, ...limits })
    const app = createApp({
      log: silentLog,
      clock,
      trustedProxies: { addresses: [] },
      findPrincipal: async () => undefined,
      isReady: async () => true,
      metrics: { text: async () => '' },
      routes: [],
      others: [fdoRoutes(fdo)],
    })
    return listening(app, isTakenFirst ? fdo : undefined)
  }

  const post = (number: number | string, body: Uint8Array = one, headers = {}) =>
    call(`${server.url}/fdo/101/msg/${number}`, 'POST', { ...CBOR, ...headers }, body)

  describe('POST /fdo/101/msg/N', () => {
    it('answers with the type, the token, and a length', async () => {
      const { status, headers, body } = await post(60)
      expect(status).toBe(200)
      expect(headers).toMatchObject({
        'message-type': '61',
        'content-type': 'application/cbor',
        'content-length': String(body.length),
        authorization: expect.stringMatching(/^Bearer fdos_/),
      })
      expect(headers).not.toHaveProperty('transfer-encoding')
    })

    it('compresses nothing, whatever the client would take', async () => {
      const { headers } = await post(60, one, { 'accept-encoding': 'gzip' })
      expect(headers).not.toHaveProperty('content-encoding')
      expect(headers).toHaveProperty('content-length')
    })

    it('answers errors with 500, type 255, an integer timestamp and no token', async () => {
      const { status, headers, body } = await post(62)
      expect(status).toBe(500)
      expect(headers).toMatchObject({
        'message-type': '255',
        'content-type': 'application/cbor',
        'content-length': String(body.length),
      })
      expect(headers).not.toHaveProperty('authorization')
      const now = Math.floor(world.clock.now().getTime() / 1000)
      expect(decode(body)).toEqual([1, 62, 'INVALID_JWT_TOKEN', now, expect.any(Number)])
    })

    it('takes the message of a first step with an empty Authorization', async () => {
      expect((await post(60, one, { authorization: '' })).status).toBe(200)
    })

    it('answers a peer that gives up with nothing', async () => {
      const { status, headers, body } = await post(255, encode([101, 61, 'no', 1, 0]))
      expect([status, headers['content-length'], body.length]).toEqual([200, '0', 0])
      expect(headers).not.toHaveProperty('message-type')
    })

    it('reads a body that comes in chunks, without a length', async () => {
      const head = 'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n'
      const body = 'Transfer-Encoding: chunked\r\n\r\n1\r\n\x81\r\n'
      const answer = await talk(
        server.port,
        Buffer.from(head + body, 'latin1'),
        '1\r\n\x01\r\n0\r\n\r\n',
      )
      expect(answer).toMatch(/^HTTP\/1.1 200 /)
    })

    it('reads a body that comes in pieces', async () => {
      const head =
        'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n'
      const answer = await talk(server.port, head, Uint8Array.of(0x81), Uint8Array.of(1))
      expect(answer).toMatch(/^HTTP\/1.1 200 /)
    })

    it('knows other methods, paths, versions and numbers from its own', async () => {
      const statusOf = async (method: string, path: string) =>
        (await call(server.url + path, method, CBOR)).status
      for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        expect(await statusOf(method, '/fdo/101/msg/60')).toBe(405)
      }
      const elsewhere = ['/fdo/100/msg/60', '/fdo/200/msg/60', '/fdo/101/msg/', '/fdo/101/msg/x']
      const unserved = [
        '/fdo/101/msg/10',
        '/fdo/101/msg/99',
        '/fdo/101/msg/1000',
        '/fdo/101/msg/60/',
      ]
      for (const path of [...elsewhere, ...unserved, '/fdo/101/msg/-1', '/fdo/101/msg/6.0']) {
        expect([path, await statusOf('POST', path)]).toEqual([path, 404])
      }
    })

    it('says which method it takes', async () => {
      const { headers } = await call(`${server.url}/fdo/101/msg/60`, 'GET', CBOR)
      expect(headers.allow).toBe('POST')
    })

    it('takes a body without a type, and refuses one of another', async () => {
      expect((await call(`${server.url}/fdo/101/msg/60`, 'POST', {}, one)).status).toBe(200)
      const foreign = await post(60, one, { 'content-type': 'text/plain' })
      expect(codeOf(foreign.body)).toBe(100)
    })

    it('refuses an empty body', async () => {
      expect(codeOf((await post(60, new Uint8Array(0))).body)).toBe(100)
    })
  })

  describe('a message longer than any may be', () => {
    it('is refused at its length, before any of it has come', async () => {
      const head = 'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n'
      const answer = await talk(server.port, head)
      expect(answer).toMatch(/^HTTP\/1.1 500 [^]*Message-Type: 255/)
    })

    it('is refused with its sender reading the answer', async () => {
      const { status, body } = await post(60, new Uint8Array(300_000))
      expect([status, codeOf(body)]).toEqual([500, 100])
    })

    it('is refused without a length, too', async () => {
      const head = 'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'
      const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
      expect(await talk(server.port, head, chunk)).toMatch(/^HTTP\/1.1 500 /)
    })

    it('of 65,535 bytes is read', async () => {
      expect(codeOf((await post(60, new Uint8Array(65_535))).body)).toBe(100)
      // Not its length was wrong: an array of one string that fills it is well formed.
      const full = encode([new Uint8Array(65_535 - 4)])
      expect(full.length).toBe(65_535)
      expect(codeOf((await post(60, full)).body)).toBe(100)
    })
  })

  describe('a message that does not come', () => {
    it('is refused after a while, and the connection closed', async () => {
      const head = 'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n'
      const { port, close } = await serve({ slowestBodyMs: 200 })
      expect(await talk(port, head, 'slow')).toMatch(/^HTTP\/1.1 500 [^]*Message-Type: 255/)
      await close()
    })

    it('costs nothing where the connection breaks off', async () => {
      const { connect } = await import('node:net')
      const socket = connect(server.port, '127.0.0.1')
      socket.write('POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf')
      await expect.poll(() => socket.bytesWritten).toBeGreaterThan(0)
      socket.destroy()
      expect((await post(60)).status).toBe(200)
    })
  })
})

describe('a message that came in time', () => {
  it('is taken, though this process was too busy to look', async () => {
    const world = await exchangeWorld()
    const services = { exchange: world.exchange, load: new Load(), slowestBodyMs: 300 }
    const fdo = new FdoHttp({ ...services, trustedProxies: { addresses: [] } })
    const server = await listening(fdoRoutes(fdo), fdo)
    const socket = connect(server.port, '127.0.0.1')
    socket.write(
      'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n',
    )
    await once(socket, 'data')
    socket.write(one)
    keepBusy(400)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 200 /)
    socket.destroy()
    await server.close()
    await world.close()
  })
})

describe('messages that wait for their turn', () => {
  async function waiting(load = new Load()) {
    const world = await exchangeWorld()
    const { exchange } = world
    const pace = new Pace()
    const fdo = new FdoHttp({ exchange, pace, load, trustedProxies: { addresses: [] } })
    const server = await listening(fdoRoutes(fdo), fdo)
    const post = (number: number, headers = {}) =>
      call(`${server.url}/fdo/101/msg/${number}`, 'POST', { ...CBOR, ...headers }, one)
    const close = () => server.close().then(() => world.close())
    return { world, pace, post, close }
  }

  /** The next message waits until it is told to go on. */
  function holdNext(pace: Pace) {
    let goOn = () => {}
    const waits = new Promise<void>((isWaiting) => {
      vi.spyOn(pace, 'turn').mockImplementationOnce(() => {
        isWaiting()
        return new Promise((resolve) => (goOn = resolve))
      })
    })
    return { waits, goOn: () => goOn() }
  }

  it('are not dealt with before', async () => {
    const { world, pace, post, close } = await waiting()
    const { waits, goOn } = holdNext(pace)
    const answer = vi.spyOn(world.exchange, 'answer')
    const first = post(60)
    await waits
    expect((await post(60)).status).toBe(200)
    expect(answer).toHaveBeenCalledTimes(1)
    goOn()
    expect((await first).status).toBe(200)
    await close()
  })

  it('have begun the run that begins with them', async () => {
    const { pace, post, close } = await waiting(new Load({ mostBegun: 1 }))
    const { waits, goOn } = holdNext(pace)
    const first = post(60)
    await waits
    expect((await post(60)).status).toBe(503)
    goOn()
    expect((await first).status).toBe(200)
    expect((await post(60)).status).toBe(200)
    await close()
  })

  it('are put off where so many wait that no more can be held', async () => {
    const { pace, post, close } = await waiting()
    const { authorization = '' } = (await post(60)).headers
    const length = vi.spyOn(pace, 'length', 'get').mockReturnValue(2_000)
    expect((await post(62, { authorization })).status).toBe(503)
    length.mockReturnValue(1_999)
    expect((await post(62, { authorization })).status).toBe(200)
    await close()
  })
})

describe('under load', () => {
  let world: ExchangeWorld
  let server: Listening
  const load = new Load()
  const late = (ms: number) => [ms, ms, ms, ms].forEach((lateMs) => load.note(lateMs))

  beforeAll(async () => {
    world = await exchangeWorld()
    const { exchange } = world
    const fdo = new FdoHttp({ exchange, load, trustedProxies: { addresses: [] } })
    server = await listening(fdoRoutes(fdo), fdo)
  })
  afterAll(async () => {
    await server.close()
    await world.close()
  })

  const post = (number: number, headers = {}) =>
    call(`${server.url}/fdo/101/msg/${number}`, 'POST', { ...CBOR, ...headers }, one)

  it('puts off what begins, and takes what has begun to its end', async () => {
    const { headers } = await post(60)
    const { authorization = '' } = headers
    late(1_000)
    const putOff = await post(60)
    expect(putOff.status).toBe(503)
    expect(Number(putOff.headers['retry-after'])).toBeGreaterThan(1)
    expect(putOff.body).toHaveLength(0)
    const goesOn = await post(62, { authorization })
    expect(goesOn.status).toBe(200)
    late(0)
    expect((await post(60)).status).toBe(200)
  })

  it('holds no place for a message that has not come yet', async () => {
    const { exchange } = world
    const narrow = new FdoHttp({
      exchange,
      load: new Load({ mostBegun: 1 }),
      trustedProxies: { addresses: [] },
    })
    const place = await listening(fdoRoutes(narrow), narrow)
    const { port } = new URL(place.url)
    const slow = connect(Number(port), '127.0.0.1')
    slow.write(
      'POST /fdo/101/msg/60 HTTP/1.1\r\nHost: x\r\nContent-Type: application/cbor\r\n' +
        'Content-Length: 100\r\nExpect: 100-continue\r\n\r\n',
    )
    // Told to go on, it is with us, and only its body is missing.
    await once(slow, 'data')
    const other = await call(`${place.url}/fdo/101/msg/60`, 'POST', CBOR, one)
    expect(other.status).toBe(200)
    slow.destroy()
    await place.close()
  })

  it('tells our own client when to ask again', async () => {
    late(1_000)
    const { send, close } = httpTransport(server.url)
    const asking = send({ number: 60, bytes: one }, undefined)
    await expect(asking).rejects.toThrow(ServiceBusy)
    const { retryAfterMs } = (await asking.catch((error: unknown) => error)) as ServiceBusy
    expect(retryAfterMs % 1_000).toBe(0)
    close()
    late(0)
  })
})
