/** How long a body may take to come, where its route says nothing else. */
import type { IncomingMessage, ServerResponse } from 'node:http'

const SLOWEST_BODY_MS = 60_000

const deadlines = new WeakMap<IncomingMessage, NodeJS.Timeout>()

/** Answers a request whose body has not come by then, and cuts its connection. */
export function expectBody(
  incoming: IncomingMessage,
  outgoing: Pick<ServerResponse, 'headersSent'>,
  slowestMs = SLOWEST_BODY_MS,
): void {
  const { headers } = incoming
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return
  const refuse = () => {
    if (incoming.complete || incoming.destroyed) return
    if (outgoing.headersSent) incoming.destroy()
    else incoming.socket.end(answerAfter(slowestMs), () => incoming.destroy())
  }
  // What has come while this process was busy is read before anybody is called slow.
  const deadline = setTimeout(() => setImmediate(refuse), slowestMs)
  deadlines.set(incoming, deadline)
  incoming.once('close', () => clearTimeout(deadline))
}

/** Written past the route, which waits for the body. */
function answerAfter(ms: number): string {
  const detail = `the body did not come within ${Math.ceil(ms / 1000)} s: send it again`
  const problem = { type: 'urn:fdo:problem:too-slow', title: 'too slow', status: 408 }
  const body = JSON.stringify({ ...problem, code: 'too-slow', detail })
  return [
    'HTTP/1.1 408 Request Timeout',
    'Content-Type: application/problem+json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}

/** For a body that is read as it comes: its reader sees to it that it comes. */
export function giveTime(incoming: IncomingMessage): void {
  clearTimeout(deadlines.get(incoming))
}
