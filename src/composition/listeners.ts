/** The listeners the configuration asks for, and the addresses they are reached at. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import type { Clock } from '../clock.ts'
import { type Config, ConfigError, isWildcard } from '../config.ts'
import { type Listener, type Listening, listen } from '../http/listen.ts'
import { TlsFiles } from '../http/tls-files.ts'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { ServerCertificate } from '../pki/server-certificate.ts'
import type { Pki } from '../pki/service.ts'
import { listenerAuthorities } from './trust.ts'

export interface ListenersServices {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly pki: Pki
  /** Called for each connection that is taken in. */
  readonly onConnection: () => void
}

export interface Listeners {
  readonly http: string | null
  readonly https: string | null
  /** What devices and owners are told. */
  readonly publicUrl: string
  /** Where devices show their certificates. A proxy that stands there must hand them on. */
  readonly tlsUrl: string | null
  /** Looks at the files of the certificate now, not only from time to time. */
  reload(): void
  /** Answers everything, and ends each connection with its answer. */
  letGo(): void
  /** Answers what has begun, for `patienceMs` at most; see Listening for `idleMs`. */
  close(patienceMs: number, idleMs: number): Promise<void>
}

export async function openListeners(
  services: ListenersServices,
  listener: Listener,
  signal: AbortSignal,
): Promise<Listeners> {
  const { config, onConnection } = services
  const { hosts } = config
  const plain =
    config.port === undefined
      ? undefined
      : await named('FIRSTLIGHT_PORT', listen(listener, { hosts, port: config.port, onConnection }))
  const secure = await openSecure(services, listener, signal)
  const open = [plain, secure?.listening].filter((one) => one !== undefined)
  const http = plain ? urlOf('http', hosts, plain.port) : null
  const https = secure ? urlOf('https', hosts, secure.listening.port) : null
  const publicUrl = config.publicUrl ?? http ?? https ?? ''
  const tlsUrl = secure ? tlsUrlOf(config, secure.listening.port) : proxyUrlOf(config)
  const reload = () => secure?.reload()
  return {
    ...{ http, https, publicUrl, tlsUrl, reload },
    letGo: () => open.forEach((one) => one.letGo()),
    close: (patienceMs, idleMs) => drain(open, patienceMs, idleMs),
  }
}

interface Secure {
  readonly listening: Listening
  reload(): void
}

async function openSecure(
  services: ListenersServices,
  listener: Listener,
  signal: AbortSignal,
): Promise<Secure | undefined> {
  const { config, clock, log, pki, onConnection } = services
  const { hosts, tlsPort: port, tlsFiles } = config
  writeTrust(services)
  if (port === undefined) return undefined
  if (tlsFiles) {
    const files = filesOf(services, tlsFiles)
    const bind = { hosts, port, tls: files.current, onConnection }
    const listening = await named('FIRSTLIGHT_TLS_PORT', listen(listener, bind))
    const use = (renewed: typeof files.current) => {
      const anchors = listenerAuthorities(config)
      listening.renew(renewed)
      pki.addServerAnchors(anchors)
      writeTrust(services)
    }
    void files.watch(use, signal)
    watchFiles(services.metrics, files)
    return { listening, reload: () => files.reload(use) }
  }
  const certificate = new ServerCertificate(pki, clock, namesOf(config))
  const tls = await certificate.issue()
  const listening = await named(
    'FIRSTLIGHT_TLS_PORT',
    listen(listener, { hosts, port, tls, onConnection }),
  )
  const report = (err: unknown) => log.error({ err }, 'no new certificate for the listener')
  void certificate.keepFresh((renewed) => listening.renew(renewed), report, signal)
  return { listening, reload: () => {} }
}

function watchFiles(metrics: Metrics, files: TlsFiles): void {
  metrics.watch({
    name: 'firstlight_tls_not_after_timestamp_seconds',
    help: 'When the certificate of the HTTPS listener ends',
    ...{ type: 'gauge', isShared: true, labels: [] },
    samples: () => [[[], files.notAfter.getTime() / 1000]],
  })
  metrics.watch({
    name: 'firstlight_tls_refused',
    help: '1 while the files of the certificate hold one that was refused',
    ...{ type: 'gauge', isShared: true, labels: [] },
    samples: () => [[[], files.refusal === undefined ? 0 : 1]],
  })
}

/** What whoever calls us has to trust, for those who look for it on this machine. */
function writeTrust({ config, pki }: ListenersServices): void {
  const pem = certificatesToPem(pki.trustBundle())
  // Another process of this service may have written it, and somebody be reading it.
  if (existsSync(config.caFile) && readFileSync(config.caFile, 'utf8') === pem) return
  writeFileSync(config.caFile, pem)
}

/** Throws ConfigError where they are no certificate and its key. */
function filesOf(services: ListenersServices, files: NonNullable<Config['tlsFiles']>): TlsFiles {
  try {
    return new TlsFiles(files, services)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`FIRSTLIGHT_TLS_CERT and FIRSTLIGHT_TLS_KEY: ${reason}`, { cause })
  }
}

/** By what names clients call this service. */
function namesOf({ hosts, publicUrl }: Config): readonly string[] {
  const publicHost = publicUrl === undefined ? [] : [new URL(publicUrl).hostname]
  const own = hosts.filter((host) => !isWildcard(host))
  return [...publicHost, ...own, 'localhost', '127.0.0.1', '::1']
}

/** A proxy may take certificates in our place. */
function proxyUrlOf({ publicUrl, trustedProxies }: Config): string | null {
  const isTold = trustedProxies.certificateHeader !== undefined
  return isTold && publicUrl?.startsWith('https:') ? new URL(publicUrl).origin : null
}

/** By the name devices are told, at the port that is bound here. */
function tlsUrlOf({ hosts, publicUrl }: Config, port: number): string {
  if (publicUrl?.startsWith('https:')) return new URL(publicUrl).origin
  return urlOf('https', publicUrl === undefined ? hosts : [new URL(publicUrl).hostname], port)
}

function urlOf(scheme: string, hosts: readonly string[], port: number): string {
  const host = (hosts.find((one) => !isWildcard(one)) ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What goes wrong when a listener opens is the configuration's fault. */
async function named<T>(variable: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`${variable}, FIRSTLIGHT_HOST: ${reason}`, { cause })
  }
}

async function drain(
  open: readonly Listening[],
  patienceMs: number,
  idleMs: number,
): Promise<void> {
  const closed = Promise.all(open.map((one) => one.close(idleMs)))
  const cut = setTimeout(() => open.forEach((one) => one.destroy()), patienceMs)
  await closed
  clearTimeout(cut)
}
