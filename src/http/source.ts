/** Where a request came from. */
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { type Ranges, isAddress, isWithin, plainAddress } from '../addresses.ts'
import { certificateFrom } from './forwarded-certificate.ts'

export interface Source {
  /** The caller's IP address; an IPv4-mapped one as IPv4. */
  readonly address: string
  /** It came through a proxy nobody told us to trust: the caller may be anyone. */
  readonly forwarded: boolean
  /** The DER certificate the client showed over TLS, not yet checked against anything. */
  readonly clientCertificate: Uint8Array | undefined
  /** What stood in the path to tell which station of a factory is calling. */
  readonly stationSecret?: string | undefined
  /** By which of our own listeners it came in; undefined for a caller in this very process. */
  readonly listener?: ListenerName | undefined
}

/** Proxies between the callers and us, and what they are believed. */
export interface TrustedProxies {
  /** Whose X-Forwarded-For and X-Forwarded-Proto headers are believed. */
  readonly addresses: Ranges
  /**
   * In which they hand on the certificate that a client has shown them: as RFC 9440 writes it, or as
   * PEM in the escapes of a URL. They must take away what a client sends under that name.
   */
  readonly certificateHeader?: string | undefined
}
/** A proxy that ends TLS comes in by plain HTTP, whatever its clients speak. */
export type ListenerName = 'http' | 'https'

const LOOPBACK: Ranges = ['127.0.0.0/8', '::1/128']

/** Worked out when asked for: most messages need none of it. */
export class IncomingSource implements Source {
  readonly #incoming: IncomingMessage
  readonly #trustedProxies: TrustedProxies
  readonly stationSecret: string | undefined

  constructor(incoming: IncomingMessage, trustedProxies: TrustedProxies, stationSecret?: string) {
    this.#incoming = incoming
    this.#trustedProxies = trustedProxies
    this.stationSecret = stationSecret
  }

  get listener(): ListenerName {
    return this.#incoming.socket instanceof TLSSocket ? 'https' : 'http'
  }

  get address(): string {
    return this.#behindTrustedProxy() ?? this.#peer()
  }

  get forwarded(): boolean {
    return this.#isForwarded() && this.#behindTrustedProxy() === undefined
  }

  /** A proxy's own certificate says nothing about the caller behind it. */
  get clientCertificate(): Uint8Array | undefined {
    if (this.#isForwarded()) return this.#handedOn()
    const { socket } = this.#incoming
    return socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.raw : undefined
  }

  /** What it sends can be read by nobody on the way, as far as we know: secrets may come by it. */
  get confidential(): boolean {
    const { socket, headers } = this.#incoming
    if (socket instanceof TLSSocket) return true
    if (!this.#isForwarded()) return isWithin(this.#peer(), LOOPBACK)
    if (!this.#isFromProxy()) return false
    const [scheme] = String(headers['x-forwarded-proto'] ?? '')
      .split(',')
      .slice(-1)
    return scheme?.trim().toLowerCase() === 'https'
  }

  #isFromProxy(): boolean {
    return isWithin(this.#peer(), this.#trustedProxies.addresses)
  }

  #handedOn(): Uint8Array | undefined {
    const { certificateHeader } = this.#trustedProxies
    if (certificateHeader === undefined || !this.#isFromProxy()) return undefined
    const value = this.#incoming.headers[certificateHeader]
    return typeof value === 'string' ? certificateFrom(value) : undefined
  }

  #peer(): string {
    return plainAddress(this.#incoming.socket.remoteAddress ?? '')
  }

  #isForwarded(): boolean {
    return Object.keys(this.#incoming.headers).some(
      (name) => name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded'),
    )
  }

  /** The last address that is no proxy of ours: what stands before it, anyone may have written. */
  #behindTrustedProxy(): string | undefined {
    if (!this.#isForwarded() || !this.#isFromProxy()) return undefined
    const hops = String(this.#incoming.headers['x-forwarded-for'] ?? '').split(',')
    const { addresses } = this.#trustedProxies
    const client = hops.map(plainAddress).findLast((hop) => !isWithin(hop, addresses))
    return client !== undefined && isAddress(client) ? client : undefined
  }
}

/** A caller in this very process. */
export const HERE: Source = { address: '127.0.0.1', forwarded: false, clientCertificate: undefined }
