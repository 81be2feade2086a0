/** Who may speak DI: a factory's door, not the internet's. */
import type { Bytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import { findChainFlaw } from '../../protocol/x509/chain.ts'
import { type Ranges, isWithin } from '../addresses.ts'
import type { Source } from '../http/source.ts'

export interface Door {
  readonly allow: Ranges
  /** DER certificates of CAs, one of which must have issued the caller's; undefined: none needed. */
  readonly clientAnchors?: readonly Bytes[] | undefined
}

/** Throws INVALID_MESSAGE_ERROR for whoever may not come in; the log alone learns why. */
export async function admitCaller(source: Source, door: Door, now: Date): Promise<void> {
  const { allow, clientAnchors } = door
  // Behind a proxy of somebody's, the address says nothing about the caller.
  if (source.forwarded) throw refused('it came through a proxy that is not trusted')
  if (!isWithin(source.address, allow)) throw refused(`${source.address} is not allowed`)
  if (!clientAnchors) return
  const { clientCertificate } = source
  if (!clientCertificate) throw refused('no client certificate was shown')
  // TLS has proven that the caller has its key, not that anyone vouches for it.
  const flaw = await findChainFlaw([clientCertificate], { anchors: clientAnchors, now })
  if (flaw) throw refused(`its client certificate: ${flaw}`)
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI is closed to this caller: ${reason}`)
}
