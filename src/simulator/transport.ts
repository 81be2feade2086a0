/** How the device reaches FDO services: HTTP, and HTTPS with or without a CA to trust. */
import { readFileSync } from 'node:fs'
import type { FdoTransport } from '../../protocol/converse.ts'
import { httpTransport } from '../fdo/client.ts'

export interface TransportOptions {
  /** PEM file. Without it any certificate will do: FDO proves the peer by itself. */
  readonly ca?: string | undefined
}

export function fdoTransport(url: string, { ca }: TransportOptions = {}): FdoTransport {
  return ca === undefined
    ? httpTransport(url, { rejectUnauthorized: false })
    : httpTransport(url, { ca: readFileSync(ca) })
}
