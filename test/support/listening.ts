/** An app on a real socket, and raw requests to it. */
import { type IncomingMessage, createServer, request } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Hono } from 'hono'
import type { FdoHttp } from '../../src/fdo/http.ts'
import type { AppEnv } from '../../src/http/authenticate.ts'

export interface Listening {
  readonly url: string
  readonly port: number
  close(): Promise<void>
}

/** With `fdo`, messages are taken before the app sees them, as the service does it. */
export async function listening(app: Hono<AppEnv>, fdo?: FdoHttp): Promise<Listening> {
  const others = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const server = createServer((incoming, outgoing) => {
    if (!fdo?.take(incoming, outgoing)) void others(incoming, outgoing)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Headers as given, nothing added but what HTTP itself needs. */
export function call(
  url: string,
  method: string,
  headers: Record<string, string>,
  body: Uint8Array | string = '',
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers, agent: false }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const { statusCode: status = 0, headers } = response
        resolve({ status, headers, body: Buffer.concat(parts) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** Whatever these bytes are: everything that came back until the other side closed. */
export function talk(port: number, ...parts: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const received: Buffer[] = []
    socket.on('data', (part: Buffer) => received.push(part))
    socket.on('close', () => resolve(Buffer.concat(received).toString('latin1')))
    socket.on('error', (error) => {
      if (received.length === 0) reject(error)
    })
    for (const part of parts) socket.write(part)
  })
}
