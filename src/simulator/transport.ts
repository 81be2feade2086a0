/** How devices reach FDO services: HTTP, and HTTPS with or without a CA to trust. */
import { type FdoTransport, httpTransport } from '../fdo/client.ts'

export interface TransportOptions {
  /** PEM. Without it any certificate will do: FDO proves the peer by itself. */
  readonly ca?: Buffer | undefined
  /** How long an answer may take. */
  readonly timeoutMs?: number | undefined
}

/** For a fleet: as many as it has devices under way, and no more. */
const CONNECTIONS = 256

const open = new Map<string, FdoTransport>()

/** The transport to an address; one address has one, with its connections kept. */
export function fdoTransport(url: string, options: TransportOptions = {}): FdoTransport {
  const { ca, timeoutMs } = options
  const name = JSON.stringify([url, ca?.toString('latin1'), timeoutMs])
  const known = open.get(name)
  if (known) return known
  const tls = ca === undefined ? { rejectUnauthorized: false } : { ca }
  const { send } = httpTransport(url, {
    connections: CONNECTIONS,
    tls,
    ...(timeoutMs !== undefined && { timeoutMs }),
  })
  open.set(name, send)
  return send
}
