/**
 * The listener's certificate and key where they are files: read again when they change, so that whoever
 * renews them need not restart anything. What is no certificate in force and its key is refused, and
 * the one before goes on.
 */
import { X509Certificate, createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'

/** PEM, as node:tls takes it. */
interface TlsCredentials {
  readonly cert: Buffer
  readonly key: Buffer
}

export interface TlsFilesServices {
  readonly clock: Clock
  readonly log: Log
}

/** By reading, not by what the system tells of files: links to other folders are swapped, too. */
const LOOK_AGAIN_MS = 10_000

export class TlsFiles {
  readonly #paths: { readonly cert: string; readonly key: string }
  readonly #services: TlsFilesServices
  #current: TlsCredentials
  #notAfter: Date
  /** Of what was looked at last, good or bad. */
  #seen: string
  #refusal: string | undefined

  /** Throws where they are no certificate and its key. */
  constructor(paths: { readonly cert: string; readonly key: string }, services: TlsFilesServices) {
    this.#paths = paths
    this.#services = services
    const current = read(paths)
    createSecureContext(current)
    this.#current = current
    this.#seen = digestOf(current)
    this.#notAfter = endOf(current)
  }

  get current(): TlsCredentials {
    return this.#current
  }

  /** When the certificate that is used ends. */
  get notAfter(): Date {
    return this.#notAfter
  }

  /** Why the files that are there now are not used; undefined where they are. */
  get refusal(): string | undefined {
    return this.#refusal
  }

  /** Looks at the files; hands them to `use` where they are others, and good. */
  reload(use: (credentials: TlsCredentials) => void): void {
    const { log, clock } = this.#services
    const { cert: file } = this.#paths
    try {
      const found = read(this.#paths)
      const digest = digestOf(found)
      if (digest === this.#seen) return
      this.#seen = digest
      expectInForce(found, clock.now())
      createSecureContext(found)
      use(found)
      this.#current = found
      this.#notAfter = endOf(found)
      this.#refusal = undefined
      log.info(
        { file, notAfter: this.#notAfter.toISOString() },
        'a new certificate for the listener',
      )
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason === this.#refusal) return
      this.#refusal = reason
      log.error(
        { file, reason },
        'a new certificate for the listener was refused: the old one goes on',
      )
    }
  }

  /** Until `signal`. */
  async watch(use: (credentials: TlsCredentials) => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // Rejects when the signal comes: nothing is wrong then.
      await this.#services.clock.sleep(LOOK_AGAIN_MS, signal).catch(() => {})
      if (!signal.aborted) this.reload(use)
    }
  }
}

function read({ cert, key }: { readonly cert: string; readonly key: string }): TlsCredentials {
  return { cert: readFileSync(cert), key: readFileSync(key) }
}

function digestOf({ cert, key }: TlsCredentials): string {
  return createHash('sha256').update(cert).update('\0').update(key).digest('hex')
}

/** Of the first certificate: the listener's own. */
function endOf({ cert }: TlsCredentials): Date {
  return new Date(new X509Certificate(cert).validTo)
}

function expectInForce({ cert }: TlsCredentials, now: Date): void {
  const { validFrom, validTo } = new X509Certificate(cert)
  if (new Date(validTo) <= now) throw new Error(`it ended at ${validTo}`)
  if (new Date(validFrom) > now) throw new Error(`it is not in force before ${validFrom}`)
}
