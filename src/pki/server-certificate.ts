/** The certificate of our HTTPS listener, from our own authority, renewed while it listens. */
import { parseCertificate } from '../../protocol/x509/certificate.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import type { Clock } from '../clock.ts'
import type { Pki } from './service.ts'

/** PEM, as node:tls takes it. */
export interface ServerCredentials {
  readonly key: string
  readonly cert: string
}

/** Often enough for a machine that sleeps, and far below the longest delay of a timer. */
const LOOK_AGAIN_MS = 3_600_000

export class ServerCertificate {
  readonly #pki: Pki
  readonly #clock: Clock
  readonly #hosts: readonly string[]
  #renewAt = 0

  constructor(pki: Pki, clock: Clock, hosts: readonly string[]) {
    this.#pki = pki
    this.#clock = clock
    this.#hosts = hosts
  }

  /** A new one, of which a third of its life is left when it is renewed. */
  async issue(): Promise<ServerCredentials> {
    const { key, chain } = await this.#pki.issueServerCertificate(this.#hosts)
    const [leaf] = chain.map(parseCertificate)
    const [start, end] = [leaf?.notBefore.getTime() ?? 0, leaf?.notAfter.getTime() ?? 0]
    this.#renewAt = end - (end - start) / 3
    return { key, cert: certificatesToPem(chain) }
  }

  /** Hands a new one to `use` (server.setSecureContext) in good time, until `signal`. */
  async keepFresh(
    use: (credentials: ServerCredentials) => void,
    report: (error: unknown) => void,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      // Rejects when the signal comes: nothing is wrong then.
      await this.#clock.sleep(LOOK_AGAIN_MS, signal).catch(() => {})
      if (signal.aborted || this.#clock.now().getTime() < this.#renewAt) continue
      // What fails is tried again in an hour, of which there are many before the end.
      await this.issue().then(use).catch(report)
    }
  }
}
