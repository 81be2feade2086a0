/** How long a body may take to come, where its route says nothing else. */
import type { IncomingMessage } from 'node:http'

const SLOWEST_BODY_MS = 60_000

const deadlines = new WeakMap<IncomingMessage, NodeJS.Timeout>()

/** Cuts the connection of a request whose body has not come by then. */
export function expectBody(incoming: IncomingMessage, slowestMs = SLOWEST_BODY_MS): void {
  const { headers } = incoming
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return
  const deadline = setTimeout(() => {
    if (!incoming.complete) incoming.destroy()
  }, slowestMs)
  deadlines.set(incoming, deadline)
  incoming.once('close', () => clearTimeout(deadline))
}

/** For a body that is read as it comes: its reader sees to it that it comes. */
export function giveTime(incoming: IncomingMessage): void {
  clearTimeout(deadlines.get(incoming))
}
