/** How a rendezvous elsewhere is asked to forget what we have registered there. */
import type { Bytes } from '../../../../protocol/bytes.ts'
import { TransportError } from '../../../fdo/client.ts'
import { OutboundFailure } from '../../../outbound/failure.ts'
import type { Outbound } from '../../../outbound/outbound.ts'

const TIMEOUT_MS = 15_000
const MOST_BYTES = 16 * 1024

/** Gives the status of the answer; throws a TransportError where there is none. */
export function askBy(outbound: Pick<Outbound, 'request'>) {
  return async (url: string, request: Bytes): Promise<number> => {
    try {
      const { status } = await outbound.request(url, {
        method: 'POST',
        headers: { 'content-type': 'application/cbor' },
        body: request,
        timeoutMs: TIMEOUT_MS,
        maxBytes: MOST_BYTES,
        // As in TO0: whom its certificate names is of no weight, the request is signed.
        tls: { rejectUnauthorized: false },
      })
      return status
    } catch (error) {
      if (!(error instanceof OutboundFailure)) throw error
      throw new TransportError(error.message, { cause: error })
    }
  }
}
