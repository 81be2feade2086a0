/** How connections are taken in, and how a listener ends: nobody is cut off who is about to ask. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { type Socket, connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../../../src/http/listen.ts'
import { keepBusy } from '../../../support/keep-busy.ts'
import { talk } from '../../../support/listening.ts'

let listening: Listening
let agent: Agent
beforeEach(async () => {
  listening = await listen((_incoming, outgoing) => void outgoing.end('yes'), {
    ...{ hosts: ['127.0.0.1'], port: 0 },
  })
  agent = new Agent({ keepAlive: true, maxSockets: 1 })
})
afterEach(() => {
  agent.destroy()
  listening.destroy()
})

function ask(): Promise<{ connection: string | undefined; isKept: boolean }> {
  const { port } = listening
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, agent }, (answer) => {
      const { connection } = answer.headers
      answer.resume().on('end', () => resolve({ connection, isKept: sent.reusedSocket }))
    })
    sent.on('error', reject).end()
  })
}

describe('a listener that is to end', () => {
  it('answers once more on a connection that was open, and says that it was the last time', async () => {
    expect(await ask()).toEqual({ connection: 'keep-alive', isKept: false })
    const closed = listening.close(60_000)
    expect(await ask()).toEqual({ connection: 'close', isKept: true })
    await closed
    await expect(ask()).rejects.toThrow('ECONNREFUSED')
  })

  it('waits no longer than it is told for those who ask nothing', async () => {
    await ask()
    await listening.close()
    await expect(ask()).rejects.toThrow(/ECONNREFUSED|ECONNRESET|socket hang up/)
  })
})

/** A listener that says yes, for as long as `work` takes. */
async function whileListening<T>(
  bind: Partial<Parameters<typeof listen>[1]>,
  work: (port: number) => Promise<T>,
): Promise<T> {
  const where = { hosts: ['127.0.0.1'], port: 0, ...bind }
  const open = await listen((_incoming, outgoing) => void outgoing.end('yes'), where)
  try {
    return await work(open.port)
  } finally {
    open.destroy()
    await open.close()
  }
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
/** The system of a busy machine comes to its connections when it does. */
const PATIENCE_MS = 5_000

describe('connections that come all at once', () => {
  it('wait to be taken in by the thousand, and none is left to try again', async () => {
    await whileListening({}, async (port) => {
      const sockets = Array.from({ length: 1_000 }, () => connect(port, '127.0.0.1'))
      // All have been asked for, and the event loop has not turned, nor does it before they are there.
      await new Promise<void>((resolve) => process.nextTick(resolve))
      const until = performance.now() + PATIENCE_MS
      while (waitingAt(port) < 1_000 && performance.now() < until);
      expect(waitingAt(port)).toBe(1_000)
      await Promise.all(sockets.map((socket) => once(socket, 'connect')))
      for (const socket of sockets) socket.destroy()
    })
  })

  it('are told of one by one', async () => {
    let connections = 0
    await whileListening({ onConnection: () => connections++ }, async (port) => {
      const heard = async () => {
        const socket = connect(port, '127.0.0.1').once('connect', () => socket.write(REQUEST))
        await once(socket, 'data')
        socket.destroy()
      }
      await heard()
      await heard()
    })
    expect(connections).toBe(2)
  })
})

describe('a head', () => {
  async function taken(
    slowestHeadMs: number,
    work: (socket: Socket) => void,
    after = async (_socket: Socket) => {},
  ): Promise<string> {
    let onConnection = () => {}
    const isTaken = new Promise<void>((resolve) => (onConnection = resolve))
    return await whileListening({ onConnection, slowestHeadMs }, async (port) => {
      const socket = connect(port, '127.0.0.1')
      await Promise.all([once(socket, 'connect'), isTaken])
      work(socket)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      await after(socket)
      socket.destroy()
      return answer.toString('latin1')
    })
  }

  it('that does not come in time is told so', async () => {
    const answer = await taken(200, (socket) => socket.write('GET / HTTP/1.1\r\n'))
    expect(answer).toMatch(/^HTTP\/1.1 408 .*Connection: close/s)
  })

  it('that came in time is taken, though this process was too busy to look', async () => {
    const write = (socket: Socket) => {
      socket.write(REQUEST)
      keepBusy(600)
    }
    const again = async (socket: Socket) => {
      socket.write(REQUEST)
      const [answer] = (await once(socket, 'data')) as [Buffer]
      expect(answer.toString('latin1')).toMatch(/^HTTP\/1.1 200 /)
    }
    // And its connection goes on.
    expect(await taken(300, write, again)).toMatch(/^HTTP\/1.1 200 /)
  })

  it('that is too long, or none, is told so', async () => {
    await whileListening({}, async (port) => {
      const long = `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'x'.repeat(20_000)}\r\n\r\n`
      expect(await talk(port, long)).toMatch(/^HTTP\/1.1 431 .*Connection: close/s)
      expect(await talk(port, 'no\r\n\r\n')).toMatch(/^HTTP\/1.1 400 .*Connection: close/s)
    })
  })

  it('that is none is told nothing in the middle of an answer', async () => {
    const open = await listen((_incoming, outgoing) => void outgoing.write('so far'), {
      ...{ hosts: ['127.0.0.1'], port: 0 },
    })
    const socket = connect(open.port, '127.0.0.1').once('connect', () => socket.write(REQUEST))
    let heard = ''
    socket.on('data', (part: Buffer) => (heard += part.toString('latin1')))
    await expect.poll(() => heard).toContain('so far')
    socket.write('no\r\n\r\n')
    await once(socket, 'close')
    expect(heard).not.toContain('400')
    open.destroy()
    await open.close()
  })
})

/** How many connections the system holds for that port that have not been taken in: Linux, proc(5). */
function waitingAt(port: number): number {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const lines = readFileSync('/proc/self/net/tcp', 'utf8').split('\n')
  const fields = lines.map((line) => line.trim().split(/\s+/))
  const listener = fields.find(([, address, , state]) => address === local && state === '0A')
  return parseInt(listener?.[4]?.split(':')[1] ?? '', 16)
}
