/** How the register reaches a rendezvous: without a socket where it is this very service. */
import type { Target } from '../../../protocol/types/rendezvous-plan.ts'
import type { Outbound } from '../../outbound/outbound.ts'
import { type FdoTransport, type HttpTransport, httpTransport } from '../../fdo/client.ts'

export interface OwnRendezvous {
  /** Where others reach it. */
  readonly url: () => string
  readonly transport: () => FdoTransport
}

/** A rendezvous that takes longer counts as gone. */
const TIMEOUT_MS = 15_000
const CONNECTIONS = 8
/** More than are ever called at once: those called longest ago are closed. */
const MOST_KEPT = 256

export class Connections {
  readonly #own: OwnRendezvous | undefined
  readonly #outbound: Pick<Outbound, 'agent'>
  readonly #open = new Map<string, HttpTransport>()

  constructor(own: OwnRendezvous | undefined, outbound: Pick<Outbound, 'agent'>) {
    this.#own = own
    this.#outbound = outbound
  }

  /** Whether this very service is reached by it. */
  isOwn(url: string): boolean {
    return this.#own !== undefined && isSame(url, this.#own.url())
  }

  to({ url }: Target): FdoTransport {
    if (this.#own && this.isOwn(url)) return this.#own.transport()
    const known = this.#open.get(url)
    if (known) {
      this.#open.delete(url)
      this.#open.set(url, known)
      return known.send
    }
    // Whom the rendezvous' certificate names is of no weight: the voucher and to1d are signed.
    const tls = { rejectUnauthorized: false }
    const made = httpTransport(url, {
      timeoutMs: TIMEOUT_MS,
      connections: CONNECTIONS,
      tls,
      // The address is whatever somebody wrote into a voucher.
      agentOf: (base, pool) => this.#outbound.agent(base, pool),
    })
    this.#open.set(url, made)
    this.#closeOldest()
    return made.send
  }

  /** Hosts are named by vouchers: whoever brings many must not fill our memory with them. */
  #closeOldest(): void {
    const [oldest] = this.#open
    if (!oldest || this.#open.size <= MOST_KEPT) return
    const [url, transport] = oldest
    this.#open.delete(url)
    transport.close()
  }

  close(): void {
    for (const transport of this.#open.values()) transport.close()
    this.#open.clear()
  }
}

/** One of them may leave out the port that its scheme implies. */
function isSame(url: string, ownUrl: string): boolean {
  return URL.canParse(ownUrl) && new URL(url).origin === new URL(ownUrl).origin
}
