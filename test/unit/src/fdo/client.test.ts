/** The client, against servers that answer as peers do, well and badly. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { messageOf } from '../../../../protocol/message.ts'
import {
  type HttpTransportOptions,
  ServiceBusy,
  TransportError,
  httpTransport,
  inProcess,
} from '../../../../src/fdo/client.ts'
import { exchangeWorld } from '../../../support/exchange-world.ts'
import { Hello, Prove } from '../../../support/toy-role.ts'

let server: Server | undefined
let close = () => {}
afterEach(() => {
  close()
  server?.closeAllConnections()
  server?.close()
})

async function against(
  answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void,
  options: HttpTransportOptions = {},
  path = '',
) {
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => answer(request, response, Buffer.concat(parts)))
  })
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const transport = httpTransport(`http://127.0.0.1:${port}${path}`, options)
  close = transport.close
  return transport.send
}
const hello = { number: 30, bytes: encode([1]) }
const refusal = encode([6, 30, 'nobody', null, 2 ** 40])

describe('a service that is busy', () => {
  it.each([
    ['2', 2_000],
    ['0', 0],
    [undefined, 5_000],
    ['-1', 5_000],
    ['3601', 5_000],
    ['Fri, 31 Dec 1999 23:59:59 GMT', 5_000],
  ])('is to be asked again after %s: in %i ms', async (retryAfter, ms) => {
    const send = await against((_, response) => {
      response.writeHead(503, retryAfter === undefined ? {} : { 'Retry-After': retryAfter }).end()
    })
    const error = await send(hello, undefined).catch((one: unknown) => one)
    expect(error).toBeInstanceOf(ServiceBusy)
    expect((error as ServiceBusy).retryAfterMs).toBe(ms)
  })
})

describe('a message', () => {
  it('is posted with its length, type and token, below any path', async () => {
    const seen: unknown[] = []
    const send = await against(
      ({ method, url, headers }, response, body) => {
        seen.push(method, url, headers['content-type'], headers['content-length'], toHex(body))
        response.writeHead(200, { 'Message-Type': 31, Authorization: 'Bearer next' })
        response.end(encode([2]))
      },
      {},
      '/base/',
    )
    const answer = await send(hello, 'Bearer one')
    expect(seen).toEqual(['POST', '/base/fdo/101/msg/30', 'application/cbor', '2', '8101'])
    expect(answer.authorization).toBe('Bearer next')
    expect([answer.message.number, toHex(answer.message.bytes)]).toEqual([31, '8102'])
  })

  it('carries no Authorization where there is no token', async () => {
    let headers: IncomingMessage['headers'] = {}
    const send = await against((request, response) => {
      headers = request.headers
      response.writeHead(200, { 'Message-Type': 31 }).end(encode([2]))
    })
    await send(hello, undefined)
    expect(headers).not.toHaveProperty('authorization')
  })

  it('keeps its connection', async () => {
    const ports = new Set<number | undefined>()
    const send = await against(({ socket }, response) => {
      ports.add(socket.remotePort)
      response.writeHead(200, { 'Message-Type': 31 }).end(encode([2]))
    })
    for (let i = 0; i < 3; i++) await send(hello, undefined)
    expect(ports.size).toBe(1)
  })
})

describe("a peer's Error", () => {
  it.each([
    [200, { 'Message-Type': 255 }],
    [500, { 'Message-Type': 255 }],
    [400, { 'Message-Type': 255 }],
    [500, {}],
  ])('comes back whatever status and headers it has: %i %o', async (status, headers) => {
    const send = await against((_, response) => response.writeHead(status, headers).end(refusal))
    const { message } = await send(hello, 'Bearer one')
    expect([message.number, toHex(message.bytes)]).toEqual([255, toHex(refusal)])
  })

  it('is answered with nothing when it is ours', async () => {
    const send = await against((_, response) => response.writeHead(200).end())
    const { message } = await send({ number: 255, bytes: refusal }, 'Bearer one')
    expect(message.bytes).toHaveLength(0)
  })
})

describe('what is no answer', () => {
  const refused = async (
    answer: (request: IncomingMessage, response: ServerResponse) => void,
    options?: HttpTransportOptions,
  ) => {
    const send = await against(answer, options)
    await expect(send(hello, undefined)).rejects.toThrow(TransportError)
  }

  it('is another protocol that nobody asked for', async () => {
    await refused(({ socket }) => {
      socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
    })
  })

  it('is refused: another status, no type, one that is no number', async () => {
    await refused((_, response) => response.writeHead(404).end('not here'))
    await refused((_, response) => response.writeHead(307, { Location: '/' }).end())
    await refused((_, response) => response.writeHead(200).end(encode([1])))
    await refused((_, response) => response.writeHead(200, { 'Message-Type': 'x' }).end())
    await refused((_, response) => response.writeHead(500, { 'Message-Type': 255 }).end())
  })

  it('is refused: longer than it may be, said or not', async () => {
    const long = { mostBytes: 100 }
    const head = { 'Message-Type': 31, 'Content-Length': 101 }
    await refused((_, response) => response.writeHead(200, head).end(Buffer.alloc(101)), long)
    const chunked = { 'Message-Type': 31 }
    await refused((_, response) => {
      response.writeHead(200, chunked).write(Buffer.alloc(60))
      response.end(Buffer.alloc(60))
    }, long)
  })

  it('is given up: too late, broken off, nobody there', async () => {
    await refused(() => {}, { timeoutMs: 50 })
    await refused((_, response) => response.writeHead(200).write('x'), { timeoutMs: 50 })
    await refused(({ socket }) => socket.destroy())
    const { send, close } = httpTransport('http://127.0.0.1:1')
    await expect(send(hello, undefined)).rejects.toThrow(TransportError)
    close()
  })
})

describe('the services of this process', () => {
  it('are spoken to without a socket', async () => {
    const world = await exchangeWorld()
    const send = inProcess(world.exchange)
    const first = await send(messageOf(Hello, { value: 1 }), undefined)
    expect(first.message.number).toBe(61)
    const second = await send(messageOf(Prove, { value: 1 }), first.authorization)
    expect(second.message.number).toBe(65)
    const last = await send({ number: 255, bytes: refusal }, second.authorization)
    expect(last.message).toMatchObject({ number: 255 })
    await world.close()
  })
})
