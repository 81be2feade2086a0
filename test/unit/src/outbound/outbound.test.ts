/** Calls to addresses named by others, against servers on the loopback. */
import { createServer as createSecureServer } from 'node:https'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { Names } from '../../../../src/outbound/names.ts'
import { Outbound } from '../../../../src/outbound/outbound.ts'
import { OutboundPolicy } from '../../../../src/outbound/policy.ts'
import { certificateOf, ecKey, extension } from '../../../support/certificates.ts'

type Answering = (request: IncomingMessage, response: ServerResponse, body: string) => void

let server: Server
let port: number
let answering: Answering
let seen: string[]
let sockets: number
const open: Outbound[] = []

beforeEach(async () => {
  seen = []
  sockets = 0
  answering = (_, response) => response.end('hello')
  server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      seen.push(`${request.method} ${request.headers.host} ${request.url}`)
      answering(request, response, Buffer.concat(parts).toString())
    })
  }).on('connection', () => sockets++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})
afterEach(async () => {
  for (const one of open.splice(0)) one.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function outbound(outboundAllow: string[] = ['127.0.0.1'], names = new Names()): Outbound {
  const publicUrl = 'https://fdo.example'
  const made = new Outbound(new OutboundPolicy({ hosts: ['::'], publicUrl, outboundAllow }), names)
  open.push(made)
  return made
}
/** As the system says it, however long that takes with the name servers there are. */
const noNames = new Names({
  resolve: () => Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })),
})
const url = (path = '/', host = '127.0.0.1') => `http://${host}:${port}${path}`
const because = (reason: string) => expect.objectContaining({ name: 'OutboundFailure', reason })

describe('a call', () => {
  it('is broken off as we close, and none is begun after that', async () => {
    const caller = outbound()
    const arrived = new Promise<void>((resolve) => (answering = () => resolve()))
    const calls = [caller.request(url()), arrived.then(() => caller.close())]
    await expect(Promise.all(calls)).rejects.toEqual(because('unreachable'))
    await expect(caller.request(url())).rejects.toThrow('the service stops')
    expect(seen).toHaveLength(1)
  })

  it('brings back status, headers and body, on one connection', async () => {
    const caller = outbound()
    answering = ({ headers }, response, body) => {
      response.writeHead(201, { 'x-said': `${headers['x-say']} ${body}` }).end('made')
    }
    for (let i = 0; i < 3; i++) {
      const headers = { 'x-say': 'this' }
      const answer = await caller.request(url('/in'), { method: 'POST', headers, body: 'that' })
      expect(answer).toMatchObject({ status: 201, url: url('/in') })
      expect(answer.headers['x-said']).toBe('this that')
      expect(Buffer.from(answer.body).toString()).toBe('made')
    }
    expect(sockets).toBe(1)
  })

  it.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])(
    'does not reach %s where that is not allowed',
    async (host) => {
      const caller = outbound([])
      await expect(caller.request(url('/', host))).rejects.toEqual(because('forbidden'))
      await expect(caller.check(url('/', host))).rejects.toEqual(because('forbidden'))
      expect(sockets).toBe(0)
    },
  )

  it('says which kind of address it was, and what allows it', async () => {
    const refused = outbound([]).request('https://169.254.169.254/latest')
    await expect(refused).rejects.toThrow(/link-local address.*FIRSTLIGHT_OUTBOUND_ALLOW/)
    await expect(outbound([]).check('http://192.0.2.1/')).rejects.toThrow(/special purposes/)
    expect(await outbound([]).forbids('http://192.0.2.1/')).toMatch(/special purposes/)
  })

  it('looks at what a name stands for, and reaches that', async () => {
    const caller = outbound()
    const answer = await caller.request(url('/', 'localhost'))
    expect(answer.status).toBe(200)
    expect(seen).toEqual([`GET localhost:${port} /`])
    await caller.check(url('/', 'localhost'))
    expect(await caller.forbids(url('/', 'localhost'))).toBeUndefined()
    expect(await outbound([], noNames).forbids('http://name.invalid/')).toBeUndefined()
  })

  it('reaches the service itself', async () => {
    const caller = outbound([])
    caller.admitOwn(url('/base', 'localhost'))
    expect((await caller.request(url('/', 'localhost'))).status).toBe(200)
    await expect(caller.request(url())).rejects.toEqual(because('forbidden'))
  })

  it.each(['ftp://127.0.0.1/', 'file:///etc/passwd', 'nothing', 'http://me:secret@127.0.0.1/'])(
    'is not made to %s',
    async (bad) => {
      await expect(outbound().request(bad)).rejects.toEqual(because('forbidden'))
      await expect(outbound().check(bad)).rejects.toEqual(because('forbidden'))
    },
  )

  it('gives up on what is too long, said or not, or too late, or not there', async () => {
    const caller = outbound()
    answering = (_, response) => response.end(Buffer.alloc(101))
    await expect(caller.request(url(), { maxBytes: 100 })).rejects.toEqual(because('too-large'))
    answering = (_, response) => {
      response.write('x')
      response.end(Buffer.alloc(100))
    }
    await expect(caller.request(url(), { maxBytes: 100 })).rejects.toEqual(because('too-large'))
    expect((await caller.request(url(), { maxBytes: 101 })).body).toHaveLength(101)
    answering = () => {}
    await expect(caller.request(url(), { timeoutMs: 30 })).rejects.toEqual(because('timed-out'))
    answering = (_, response) => response.write('x')
    await expect(caller.request(url(), { timeoutMs: 30 })).rejects.toEqual(because('timed-out'))
    answering = ({ socket }) => socket.destroy()
    await expect(caller.request(url())).rejects.toEqual(because('unreachable'))
    await expect(caller.request('http://127.0.0.1:1/')).rejects.toEqual(because('unreachable'))
    const nowhere = outbound([], noNames).check('http://no.such.invalid/')
    await expect(nowhere).rejects.toEqual(because('unreachable'))
  })

  it('ends where another protocol is answered in, which nobody asked for', async () => {
    answering = ({ socket }) =>
      void socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
    await expect(outbound().request(url())).rejects.toEqual(because('unreachable'))
  })
})

describe('a redirect', () => {
  const toward = (location: string, status = 302): void => {
    answering = ({ url: path, headers }, response) => {
      if (path !== '/') response.end(`${headers['authorization']} ${headers['accept']}`)
      else response.writeHead(status, { location }).end()
    }
  }
  const headers = { authorization: 'Bearer x', accept: 'text/plain' }

  it('is not followed unless asked for', async () => {
    toward('/there')
    await expect(outbound().request(url())).rejects.toEqual(because('redirected'))
    const answer = await outbound().request(url(), { redirects: 1, headers })
    expect(Buffer.from(answer.body).toString()).toBe('Bearer x text/plain')
    expect(answer.url).toBe(url('/there'))
  })

  it('is looked at like any other address', async () => {
    for (const bad of ['http://127.0.0.2:1/', 'http://169.254.169.254/', 'http://[::1]/']) {
      toward(bad)
      const call = outbound().request(url(), { redirects: 3 })
      await expect(call).rejects.toEqual(because('forbidden'))
    }
  })

  it('takes no secrets to another origin', async () => {
    toward(url('/there', 'localhost'))
    const answer = await outbound().request(url(), { redirects: 1, headers })
    expect(Buffer.from(answer.body).toString()).toBe('undefined text/plain')
  })

  it('is followed so often and no more', async () => {
    toward('/')
    await expect(outbound().request(url(), { redirects: 4 })).rejects.toThrow(/after 4/)
    expect(seen).toHaveLength(5)
  })

  it('turns no POST into something else, and repeats it where told to', async () => {
    const post = { method: 'POST', body: 'x', redirects: 1 } as const
    toward('/there', 303)
    await expect(outbound().request(url(), post)).rejects.toEqual(because('redirected'))
    toward('/there', 307)
    await outbound().request(url(), post)
    expect(seen.at(-1)).toBe(`POST 127.0.0.1:${port} /there`)
  })

  it('that leads to no URL, or without a place, is not followed', async () => {
    toward('http://')
    const call = () => outbound().request(url(), { redirects: 1 })
    await expect(call()).rejects.toEqual(because('redirected'))
    answering = (_, response) => response.writeHead(302).end()
    expect((await call()).status).toBe(302)
  })
})

describe('a call over HTTPS', () => {
  const key = ecKey()
  const names = Buffer.concat([Buffer.from('300b8209', 'hex'), Buffer.from('localhost')])
  const certificate = certificateOf({
    key,
    subject: 'localhost',
    extensions: [extension('2.5.29.17', names, false)],
  })
  const ca = toPem('CERTIFICATE', certificate)
  const secure = createSecureServer({
    cert: ca,
    key: key.export({ type: 'pkcs8', format: 'pem' }),
  }).on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (request.url === '/') response.end('hello')
    else response.writeHead(302, { location: url('/there') }).end()
  })
  let base: string
  beforeEach(async () => {
    await new Promise<void>((resolve) => secure.listen(0, '127.0.0.1', resolve))
    base = `https://localhost:${(secure.address() as AddressInfo).port}`
  })
  afterEach(() => {
    secure.closeAllConnections()
    secure.close()
  })

  it('holds the certificate against the name, not the address', async () => {
    expect((await outbound().request(base, { tls: { ca } })).status).toBe(200)
    const byAddress = base.replace('localhost', '127.0.0.1')
    const call = outbound().request(byAddress, { tls: { ca } })
    await expect(call).rejects.toEqual(because('unreachable'))
  })

  it('trusts nobody without being told so', async () => {
    await expect(outbound().request(base)).rejects.toEqual(because('unreachable'))
    await expect(outbound([]).request(base)).rejects.toEqual(because('forbidden'))
  })

  it('is not led to plain HTTP', async () => {
    const call = outbound().request(`${base}/away`, { tls: { ca }, redirects: 2 })
    await expect(call).rejects.toThrow(/plain HTTP/)
    expect(seen).toEqual([])
  })
})
