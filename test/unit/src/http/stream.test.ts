/** Bodies read while they come, and answers made while they are taken, over real sockets. */
import { once } from 'node:events'
import { type IncomingMessage, createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createApp } from '../../../../src/http/app.ts'
import { BodyStream } from '../../../../src/http/body.ts'
import { expectBody, giveTime } from '../../../../src/http/body-deadline.ts'
import { PERMISSIONS } from '../../../../src/http/permissions.ts'
import { Problem } from '../../../../src/http/problem.ts'
import { File, type Route, route } from '../../../../src/http/route.ts'
import { createLog } from '../../../../src/log.ts'
import { keepBusy } from '../../../support/keep-busy.ts'
import { type Listening, call, listening } from '../../../support/listening.ts'

const TYPE = 'application/octet-stream'
const EIGHT = new Uint8Array(8)
const HEADERS = { authorization: 'Bearer x', 'content-type': TYPE }
let open: Listening | undefined
const lines: string[] = []
afterEach(async () => {
  await open?.close()
  lines.length = 0
})

async function serve(...routes: readonly Route[]): Promise<string> {
  const app = createApp({
    log: createLog('info', { write: (line) => void lines.push(line) }),
    clock: new FakeClock(),
    trustedProxies: { addresses: [] },
    findPrincipal: async () => ({
      id: 'me',
      name: 'me',
      kind: 'token',
      party: HOME_PARTY,
      permissions: new Set(PERMISSIONS),
    }),
    isReady: async () => true,
    metrics: { text: async () => '' },
    routes,
    others: [],
  })
  open = await listening(app)
  return `${open.url}/api/v1/things`
}

const about = { path: '/things', summary: 'Things', permission: 'key:read' } as const
const taking = (atMost: number, take: (stream: AsyncIterable<Uint8Array>) => Promise<void>) =>
  route({
    ...about,
    method: 'post',
    stream: { types: [TYPE], atMost },
    handle: ({ stream }) => take(stream),
  })
const giving = (content: AsyncIterable<string>) =>
  route({ ...about, method: 'get', file: [TYPE], handle: () => new File(TYPE, content) })

describe('a body that is read as it comes', () => {
  it('is there before it has all been sent', async () => {
    const seen: string[] = []
    const url = await serve(
      taking(100, async (stream) => {
        for await (const part of stream) seen.push(Buffer.from(part).toString())
      }),
    )
    const outgoing = request(url, { method: 'POST', headers: HEADERS })
    outgoing.write('first')
    await expect.poll(() => seen).toEqual(['first'])
    outgoing.end('second')
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    expect(response.statusCode).toBe(204)
    expect(seen).toEqual(['first', 'second'])
    response.resume()
  })

  it('is sent no faster than it is taken', async () => {
    let go = () => {}
    const gate = new Promise<void>((resolve) => (go = resolve))
    let taken = 0
    const url = await serve(
      taking(1 << 30, async (stream) => {
        for await (const part of stream) {
          taken += part.length
          await gate
        }
      }),
    )
    const outgoing = request(url, { method: 'POST', headers: HEADERS })
    const size = 64 << 20
    outgoing.end(Buffer.alloc(size))
    await expect.poll(() => taken).toBeGreaterThan(0)
    const bytesSent = outgoing.socket?.bytesWritten ?? 0
    expect(bytesSent - (outgoing.socket?.writableLength ?? 0)).toBeLessThan(size / 2)
    go()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    response.resume()
    expect(taken).toBe(size)
  })

  it('is refused beyond its limit, announced or not', async () => {
    let taken = 0
    const url = await serve(
      taking(10, async (stream) => {
        for await (const part of stream) taken += part.length
      }),
    )
    const announced = await call(url, 'POST', HEADERS, 'x'.repeat(11))
    expect(announced.status).toBe(413)
    expect(taken).toBe(0)
    const chunked = { ...HEADERS, 'transfer-encoding': 'chunked' }
    const { status, body } = await call(url, 'POST', chunked, 'x'.repeat(4_000_000))
    expect({ status, code: JSON.parse(body.toString()).code }).toEqual({
      status: 413,
      code: 'too-large',
    })
    expect((await call(url, 'POST', chunked, 'x'.repeat(10))).status).toBe(204)
  })

  it('need not be read to its end for the answer to be heard', async () => {
    const url = await serve(
      taking(1 << 30, async (stream) => {
        for await (const part of stream) if (part.length > 0) break
      }),
      route({
        ...about,
        path: '/others',
        method: 'post',
        stream: { types: [TYPE], atMost: 1 << 30 },
        async handle({ stream }) {
          for await (const part of stream) {
            if (part.length > 0) throw new Problem('check-failed', 'enough')
          }
        },
      }),
    )
    const body = Buffer.alloc(8 << 20)
    expect((await call(url, 'POST', HEADERS, body)).status).toBe(204)
    expect((await call(url.replace('things', 'others'), 'POST', HEADERS, body)).status).toBe(422)
  })

  type Given = ConstructorParameters<typeof BodyStream>
  const bodyOf = (pull: (controller: ReadableStreamDefaultController) => void | Promise<void>) =>
    ({ req: { raw: { body: new ReadableStream({ pull }) } } }) as unknown as Given[0]

  it('that stops coming is given up', async () => {
    let given = 0
    const c = bodyOf((parts) => (given++ > 0 ? new Promise(() => {}) : parts.enqueue(EIGHT)))
    const stream = new BodyStream(c, 10, { partMs: 20, windowMs: 60_000, leastPerSecond: 1 })
    const parts = stream[Symbol.asyncIterator]()
    expect((await parts.next()).value).toHaveLength(8)
    await expect(parts.next()).rejects.toMatchObject({
      ...{ code: 'too-slow', message: 'nothing came for 1 s: send it again' },
    })
    await stream.discard()
  })

  const slowly = (ms: number) =>
    bodyOf(async (parts) => {
      await new Promise((resolve) => setTimeout(resolve, ms))
      parts.enqueue(EIGHT)
    })

  /** Time is moved by hand: a busy machine may give this process none for longer than it must bear. */
  function holdTime() {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    onTestFinished(() => void vi.useRealTimers())
    return (ms: number) => vi.advanceTimersByTimeAsync(ms)
  }

  it('that trickles is given up, however steadily', async () => {
    const pass = holdTime()
    const slowest = { partMs: 5_000, windowMs: 40, leastPerSecond: 100_000 }
    let taken = 0
    const taking = async () => {
      for await (const part of new BodyStream(slowly(5), 1 << 20, slowest)) taken += part.length
    }
    const given = expect(taking()).rejects.toMatchObject({
      code: 'too-slow',
      message: expect.stringMatching(/^64 bytes came in 1 s, .* 100000 bytes a second at least: /),
    })
    await pass(100)
    await given
    // Not before the window has passed.
    expect(taken).toBe(56)
  })

  it('that is slow and keeps its pace is read to its limit, however long its reader takes', async () => {
    const pass = holdTime()
    const slowest = { partMs: 5_000, windowMs: 20, leastPerSecond: 500 }
    const parts = new BodyStream(slowly(2), 200, slowest)[Symbol.asyncIterator]()
    for (let taken = 0; taken < 200; taken += 8) {
      const next = parts.next()
      await pass(2)
      expect((await next).value).toHaveLength(8)
      if (taken % 80 === 0) await pass(250)
    }
    const last = expect(parts.next()).rejects.toMatchObject({ code: 'too-large' })
    await pass(2)
    await last
  })

  it('that nobody wants is not waited for long', async () => {
    const slowest = { partMs: 30, windowMs: 60_000, leastPerSecond: 1 }
    const began = performance.now()
    await new BodyStream(slowly(2), 1 << 20, slowest).discard()
    expect(performance.now() - began).toBeLessThan(5_000)
  })

  it('that breaks off is the fault of who sent it', async () => {
    let failure: unknown
    const url = await serve(
      taking(1 << 20, async (stream) => {
        try {
          for await (const part of stream) if (part.length > 0) outgoing.destroy()
        } catch (error) {
          failure = error
        }
      }),
    )
    const outgoing = request(url, { method: 'POST', headers: { ...HEADERS, 'content-length': 9 } })
    outgoing.on('error', () => {}).write('x')
    await expect.poll(() => failure).toMatchObject({ code: 'invalid-request' })
  })

  it('is of a type that is taken', async () => {
    const url = await serve(taking(10, async () => {}))
    const headers = { ...HEADERS, 'content-type': 'text/html' }
    expect((await call(url, 'POST', headers, 'x')).status).toBe(415)
  })
})

describe('an answer made as it is taken', () => {
  it('is made no faster', async () => {
    let made = 0
    let hasEnded = false
    async function* endless() {
      try {
        for (;;) {
          made++
          yield 'x'.repeat(65_536)
        }
      } finally {
        hasEnded = true
      }
    }
    const url = await serve(giving(endless()))
    const outgoing = request(url, { headers: HEADERS }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    await once(response, 'readable')
    let before = -1
    await expect.poll(() => made === before || void (before = made), { interval: 100 }).toBe(true)
    expect(made).toBeLessThan(500)
    response.destroy()
    await expect.poll(() => hasEnded).toBe(true)
  })

  it('ends without a word when its reader goes while it waits for more', async () => {
    let end = () => {}
    let isAsked = false
    const waiting: AsyncIterableIterator<string> = {
      [Symbol.asyncIterator]: () => waiting,
      next: () =>
        new Promise((resolve) => {
          end = () => resolve({ value: undefined, done: true })
          if (isAsked) return
          isAsked = true
          resolve({ value: 'first', done: false })
        }),
      return: async () => {
        end()
        return { value: undefined, done: true }
      },
    }
    const url = await serve(giving(waiting))
    const outgoing = request(url, { headers: HEADERS }).end()
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
    await once(response, 'readable')
    const ended = vi.spyOn(waiting, 'return')
    response.destroy()
    await expect.poll(() => ended.mock.calls.length).toBe(1)
    await new Promise(setImmediate)
    expect(lines.join()).not.toContain('broke off')
  })

  it('that cannot be finished is cut off, and its reason stays here', async () => {
    const told = vi.spyOn(console, 'error').mockImplementation(() => {})
    async function* failing() {
      yield 'x'.repeat(100_000)
      throw new Error('a secret text')
    }
    const url = await serve(giving(failing()))
    await expect(fetch(url, { headers: HEADERS }).then((one) => one.text())).rejects.toThrow()
    expect(lines.join()).toContain('a secret text')
    expect(told).not.toHaveBeenCalled()
    told.mockRestore()
  })

  it('is not begun for HEAD', async () => {
    let isBegun = false
    async function* content() {
      isBegun = true
      yield 'x'
    }
    const url = await serve(giving(content()))
    const { status, body } = await call(url, 'HEAD', HEADERS)
    expect({ status, isBegun, length: body.length }).toEqual({
      status: 200,
      isBegun: false,
      length: 0,
    })
  })
})

describe('a body', () => {
  async function server(slowestMs: number, patient: boolean, hasBegun = false) {
    const http = createServer((incoming, outgoing) => {
      if (hasBegun) outgoing.write('so far')
      expectBody(incoming, outgoing, slowestMs)
      if (patient) giveTime(incoming)
      incoming.resume().on('end', () => outgoing.end('thanks'))
      incoming.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(http, 'listening')
    const socket = connect((http.address() as AddressInfo).port, '127.0.0.1')
    let heard = ''
    socket.on('data', (part: Buffer) => (heard += part.toString()))
    socket.on('error', () => {})
    const closed = once(socket, 'close')
    socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1')
    return { http, socket, closed, heard: () => heard }
  }

  it('that does not come in time is told so, and costs its connection', async () => {
    const { http, closed, heard } = await server(20, false)
    await closed
    const [head = '', body = ''] = heard().split('\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 408 .*Connection: close/s)
    expect(JSON.parse(body)).toMatchObject({ status: 408, code: 'too-slow' })
    http.close()
  })

  it('that does not come in time ends an answer that has begun as it is', async () => {
    const { http, closed, heard } = await server(20, false, true)
    await closed
    expect(heard()).toMatch(/^HTTP\/1\.1 200 (?!.*408)/s)
    http.close()
  })

  it('that came in time is taken, though this process was too busy to look', async () => {
    const { http, socket, heard } = await server(300, false)
    await once(http, 'request')
    socket.write('2')
    keepBusy(400)
    await expect.poll(heard).toContain('thanks')
    http.closeAllConnections()
    http.close()
  })

  it('may take longer where its route sees to it', async () => {
    const { http, socket, heard } = await server(20, true)
    await new Promise((resolve) => setTimeout(resolve, 60))
    socket.write('2')
    await expect.poll(heard).toContain('thanks')
    http.closeAllConnections()
    http.close()
  })
})
