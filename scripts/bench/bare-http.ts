/**
 * A program: node:http by itself, that answers every message with as many bytes and no thought. What
 * it takes is what no service over node:http can do without, on this machine and under this load.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const TOKEN = `Bearer ${'x'.repeat(200)}`
const REPLY = Buffer.alloc(800)

const server = createServer({ noDelay: true }, (incoming, outgoing) => {
  incoming.resume()
  incoming.on('end', () => {
    outgoing.writeHead(200, [
      ...['Content-Type', 'application/cbor', 'Content-Length', String(REPLY.length)],
      ...['Message-Type', '61', 'Authorization', TOKEN],
    ])
    outgoing.end(REPLY)
  })
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo
  process.send?.(`http://127.0.0.1:${port}`)
})
process.once('disconnect', () => process.exit())
