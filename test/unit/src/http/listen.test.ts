/** How a listener ends: nobody is cut off who is about to ask. */
import { Agent, request } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Listening, listen } from '../../../../src/http/listen.ts'

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
