/** The answer to a call over HTTP, for whoever makes one. */
import type { ClientRequest, IncomingMessage } from 'node:http'

/** Its head: the body is still to be read. Rejects where there is none. */
export function responseTo(call: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.on('response', resolve).on('error', reject)
    // All there is where it switches to another protocol, which nobody asked for: 101 is no answer.
    call.on('close', () => reject(new Error('closed without an answer')))
  })
}
