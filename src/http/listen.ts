/** HTTP and HTTPS listeners on several addresses, and their orderly end. */
import { type IncomingMessage, type Server, ServerResponse, createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { Server as NetServer } from 'node:net'
import type { SecureContextOptions } from 'node:tls'
import { answerBroken } from './broken-requests.ts'

export type Listener = (incoming: IncomingMessage, outgoing: ServerResponse) => void

export interface Listening {
  /** The port in use, the same on every host. */
  readonly port: number
  /** A new certificate, for connections from now on. */
  renew(credentials: SecureContextOptions): void
  /** Answers from now on end their connections: whoever asked goes elsewhere with what comes next. */
  letGo(): void
  /**
   * Lets go, and takes no more connections; resolves when the last request has been answered.
   * Connections between two requests have `idleMs` for another.
   */
  close(idleMs?: number): Promise<void>
  /** Cuts what is still open. */
  destroy(): void
}

export interface Bind {
  readonly hosts: readonly string[]
  /** 0 for any that is free. */
  readonly port: number
  /** With it the listener speaks TLS, and asks for a client certificate without demanding one. */
  readonly tls?: SecureContextOptions
  /** Called for each connection that is taken in, before anything is read from it. */
  readonly onConnection?: () => void
  /** In which the head of a request must have come. */
  readonly slowestHeadMs?: number
}

const LIMITS = {
  // The last resort: bodies have to come sooner (fdo/http.ts, body-deadline.ts), or to keep a pace
  // (body.ts), at which a large one takes hours.
  requestTimeout: 86_400_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16_384,
  noDelay: true,
}
const SLOWEST_HEAD_MS = 10_000
const HANDSHAKE_MS = 10_000
/**
 * Connections that wait to be taken in: of any more the system says nothing to those who make them, and
 * they try again ever more rarely. It has a limit of its own, which is this one mostly.
 */
const MOST_CONNECTING = 4_096
/** How often a listener that closes looks for connections nobody uses any more. */
const LOOK_FOR_IDLE_MS = 50

export async function listen(listener: Listener, bindTo: Bind): Promise<Listening> {
  const { hosts, port, tls, onConnection, slowestHeadMs = SLOWEST_HEAD_MS } = bindTo
  const servers: Server[] = []
  const hold = { isLettingGo: false }
  const heads = { headersTimeout: slowestHeadMs, connectionsCheckingInterval: slowestHeadMs / 2 }
  const options = { ...LIMITS, ...heads, ServerResponse: responsesWhile(hold) }
  let bound = port
  try {
    for (const host of hosts) {
      const server = tls ? secureServer(tls, options, listener) : createServer(options, listener)
      servers.push(server)
      answerBroken(server)
      if (onConnection) server.on('connection', onConnection)
      bound = await bind(server, host, bound)
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
    letGo() {
      hold.isLettingGo = true
    },
    async close(idleMs = 0) {
      hold.isLettingGo = true
      await Promise.all(servers.map((server) => closed(server, idleMs)))
    },
    destroy() {
      for (const server of servers) server.closeAllConnections()
    },
  }
}

/** Nobody sends another request on a connection that is about to be closed. */
function responsesWhile(hold: { readonly isLettingGo: boolean }) {
  return class extends ServerResponse {
    // Every head that is written passes here, whether it was asked for or not.
    override writeHead(status: number, ...head: unknown[]): this {
      if (hold.isLettingGo) this.shouldKeepAlive = false
      return Reflect.apply(super.writeHead, this, [status, ...head]) as this
    }
  }
}

function secureServer(tls: SecureContextOptions, options: object, listener: Listener): Server {
  const asking = { requestCert: true, rejectUnauthorized: false, handshakeTimeout: HANDSHAKE_MS }
  return createSecureServer({ ...options, ...asking, minVersion: 'TLSv1.2', ...tls }, listener)
}

function isSecure(server: Server): server is Server & {
  setSecureContext(credentials: SecureContextOptions): void
} {
  return 'setSecureContext' in server
}

function bind(server: Server, host: string, port: number): Promise<number> {
  const address = host.replace(/^\[(.*)\]$/, '$1')
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // An IPv6 wildcard beside another listener must not claim IPv4 as well.
    const ipv6Only = address.includes(':')
    server.listen({ host: address, port, ipv6Only, backlog: MOST_CONNECTING }, () => {
      server.off('error', reject)
      const bound = server.address()
      resolve(bound !== null && typeof bound === 'object' ? bound.port : port)
    })
  })
}

/** A connection kept alive becomes idle only once its last request has been answered. */
function closed(server: Server, idleMs: number): Promise<void> {
  const until = performance.now() + idleMs
  return new Promise((resolve) => {
    const idle = setInterval(() => {
      if (performance.now() >= until) server.closeIdleConnections()
    }, LOOK_FOR_IDLE_MS)
    // HTTP's own would cut those that are idle now.
    NetServer.prototype.close.call(server, () => {
      clearInterval(idle)
      // It is closed already; what looks after its connections ends with this.
      server.close(() => resolve())
    })
  })
}
