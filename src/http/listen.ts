/** HTTP and HTTPS listeners on several addresses, and their orderly end. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { SecureContextOptions } from 'node:tls'

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void

export interface Listening {
  /** The port in use, the same on every host. */
  readonly port: number
  /** A new certificate, for connections from now on. */
  renew(credentials: SecureContextOptions): void
  /** Takes no more connections; resolves when the last request has been answered. */
  close(): Promise<void>
  /** Cuts what is still open. */
  destroy(): void
}

export interface Bind {
  readonly hosts: readonly string[]
  /** 0 for any that is free. */
  readonly port: number
  /** With it the listener speaks TLS, and asks for a client certificate without demanding one. */
  readonly tls?: SecureContextOptions
}

const LIMITS = {
  // FDO's own limit for a body is shorter; this is the last resort, and for the other routes.
  requestTimeout: 60_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: 16_384,
  noDelay: true,
}
const HANDSHAKE_MS = 10_000

export async function listen(listener: Listener, { hosts, port, tls }: Bind): Promise<Listening> {
  const servers: Server[] = []
  let bound = port
  try {
    for (const host of hosts) {
      const server = tls ? secureServer(tls, listener) : createServer(LIMITS, listener)
      servers.push(server)
      bound = await bind(server, host.replace(/^\[(.*)\]$/, '$1'), bound)
    }
  } catch (error) {
    for (const server of servers) server.close()
    throw error
  }
  return {
    port: bound,
    renew(credentials) {
      for (const server of servers) if (isSecure(server)) server.setSecureContext(credentials)
    },
    async close() {
      await Promise.all(servers.map(closed))
    },
    destroy() {
      for (const server of servers) server.closeAllConnections()
    },
  }
}

function secureServer(tls: SecureContextOptions, listener: Listener): Server {
  const asking = { requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS }
  return createSecureServer({ ...LIMITS, ...asking, minVersion: 'TLSv1.2', ...tls }, listener)
}

function isSecure(server: Server): server is Server & {
  setSecureContext(credentials: SecureContextOptions): void
} {
  return 'setSecureContext' in server
}

function bind(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: host === '::' ? false : host.includes(':') }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
}
