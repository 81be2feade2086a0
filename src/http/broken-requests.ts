/**
 * What is said to requests that cannot be read, or do not come. Node's own answers, but for one: it looks
 * for heads that are overdue before it reads what has come meanwhile, so that after a moment in which
 * this process was busy it would tell others that they were slow.
 */
import type { Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

type RequestError = Error & { readonly code?: string }

const STATUSES: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

export function answerBroken(server: Server): void {
  const overdue = new Set<Duplex>()
  server.on('request', ({ socket }) => overdue.delete(socket))
  server.on('clientError', (error: RequestError, socket: Duplex) => {
    if (error.code !== 'ERR_HTTP_REQUEST_TIMEOUT') return end(socket, error)
    overdue.add(socket)
    // By then all that is here has been read.
    setImmediate(() => {
      if (overdue.delete(socket)) end(socket, error)
    })
  })
}

/** Nothing is written into an answer that is under way. */
function end(socket: Duplex & { readonly _httpMessage?: ServerResponse }, error: RequestError) {
  if (socket.writable && !socket._httpMessage?.headersSent) {
    const status = STATUSES[error.code ?? ''] ?? '400 Bad Request'
    socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`)
  }
  socket.destroy(error)
}
