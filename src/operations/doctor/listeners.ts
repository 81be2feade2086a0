/** The service's own addresses: whether it answers there, under what certificate, and by what name. */
import { lookup } from 'node:dns/promises'
import { existsSync, readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { createServer, isIP } from 'node:net'
import { type TLSSocket, connect, rootCertificates } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import { type Config, isWildcard } from '../../config.ts'
import { codeOf } from '../../database/portable.ts'
import { responseTo } from '../../response.ts'
import { type Finding, daysUntil, findings, reasonOf } from './finding.ts'

const PATIENCE_MS = 5_000
const SOON_DAYS = 14

interface Place {
  readonly variable: string
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
}

/** Each port: the service answers, or nobody does and it is free. */
export async function checkPorts(
  config: Config,
): Promise<{ found: Finding[]; isRunning: boolean }> {
  const { ok, problem, skipped } = findings('ports')
  const found: Finding[] = []
  let isRunning = false
  for (const place of placesOf(config)) {
    const { variable, scheme, host, port } = place
    if (port === 0) {
      found.push(skipped(`${variable}=0: any that is free`))
      continue
    }
    const url = `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
    const answer = await statusOf(`${url}/health/ready`)
    if (answer.status === 200) {
      isRunning = true
      found.push(ok(`the service answers at ${url}`))
    } else if (answer.status === 503) {
      isRunning = true
      found.push(
        problem(`${url} says that it is not ready`, 'look at its log: the database may not answer'),
      )
    } else if (answer.code === 'ECONNREFUSED') found.push(await checkFree(place))
    else {
      const next = `stop what listens there, or set ${variable}`
      found.push(problem(`another program answers at ${url}: ${answer.reason}`, next))
    }
  }
  return { found, isRunning }
}

function placesOf({ hosts, port, tlsPort }: Config): Place[] {
  const host = (hosts[0] ?? '127.0.0.1').replace(/^\[(.*)\]$/, '$1')
  const local = isWildcard(host) ? '127.0.0.1' : host
  const places: Place[] = []
  if (port !== undefined)
    places.push({ variable: 'FIRSTLIGHT_PORT', scheme: 'http', host: local, port })
  if (tlsPort !== undefined) {
    places.push({ variable: 'FIRSTLIGHT_TLS_PORT', scheme: 'https', host: local, port: tlsPort })
  }
  return places
}

async function checkFree({ variable, host, port }: Place): Promise<Finding> {
  const { ok, problem } = findings('ports')
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, host, resolve)
    })
    return ok(`the service is not running; port ${port} is free for it`)
  } catch (error) {
    const next = `choose a port above 1023, or give the service the right to bind lower ones (${variable})`
    return problem(`port ${port} of ${host} cannot be listened on: ${reasonOf(error)}`, next)
  } finally {
    server.close()
  }
}

interface Status {
  readonly status: number
  readonly date?: string | undefined
  readonly code?: string | undefined
  readonly reason: string
}

/** Trusts anybody: what a certificate is worth is another question. */
export async function statusOf(url: string): Promise<Status> {
  const request = url.startsWith('https:') ? httpsRequest : httpRequest
  const call = request(url, { timeout: PATIENCE_MS, rejectUnauthorized: false, agent: false })
  call.on('timeout', () => call.destroy(new Error('no answer in time')))
  call.end()
  try {
    const response = await responseTo(call)
    response.resume()
    const { statusCode: status = 0, headers } = response
    return { status, date: headers.date, reason: `status ${status}` }
  } catch (error) {
    return { status: 0, code: codeOf(error), reason: reasonOf(error) }
  }
}

/** The certificate that is shown at our own port. */
export async function checkTls(config: Config, now: Date): Promise<Finding[]> {
  const { ok, problem, warning, skipped } = findings('TLS')
  const place = placesOf(config).find(({ scheme }) => scheme === 'https')
  if (!place || place.port === 0) return [skipped('there is no HTTPS port to look at')]
  const name = config.publicUrl?.startsWith('https:')
    ? new URL(config.publicUrl).hostname
    : place.host
  const ca = [
    ...rootCertificates,
    ...(existsSync(config.caFile) ? [readFileSync(config.caFile, 'utf8')] : []),
  ]
  let socket: TLSSocket
  try {
    socket = await connected(place, name, ca)
  } catch (error) {
    return [
      problem(`no TLS at port ${place.port}: ${reasonOf(error)}`, 'look at the log of the service'),
    ]
  }
  const shown = socket.getPeerX509Certificate()
  const flaw = socket.authorized ? undefined : String(socket.authorizationError)
  socket.destroy()
  if (!shown)
    return [problem(`no certificate at port ${place.port}`, 'look at the log of the service')]
  const end = new Date(shown.validTo)
  const left = daysUntil(end, now)
  const next = config.tlsFiles
    ? `renew ${config.tlsFiles.cert}: it is taken up without a restart`
    : 'restart the service: it renews its own certificates'
  if (config.tlsFiles && shown.fingerprint256 !== fingerprintIn(config.tlsFiles.cert)) {
    const what = `${config.tlsFiles.cert} holds another certificate than the one that is shown`
    return [problem(what, 'the log says why it was refused; SIGHUP has it looked at again')]
  }
  if (flaw !== undefined) return [problem(`devices will not trust it as ${name}: ${flaw}`, next)]
  const detail = `shown as ${name}, ends at ${end.toISOString()}`
  return [left < SOON_DAYS ? warning(detail, next) : ok(detail)]
}

function connected({ host, port }: Place, name: string, ca: string[]): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const servername = isIP(name) === 0 ? { servername: name } : {}
    const options = {
      host,
      port,
      ca,
      rejectUnauthorized: false,
      timeout: PATIENCE_MS,
      ...servername,
    }
    const socket = connect(options, () => resolve(socket))
    socket.on('timeout', () => socket.destroy(new Error('no answer in time')))
    socket.on('error', reject)
  })
}

function fingerprintIn(file: string): string | undefined {
  try {
    return new X509Certificate(readFileSync(file)).fingerprint256
  } catch {
    return undefined // No certificate, and so not the one that is shown.
  }
}

/** The name that devices are told. */
export async function checkPublicUrl(config: Config, isRunning: boolean): Promise<Finding[]> {
  const { ok, problem, warning, skipped } = findings('public URL')
  const { publicUrl, hosts } = config
  if (publicUrl === undefined) {
    return [ok('not set: devices are told the address that is listened on')]
  }
  const host = new URL(publicUrl).hostname.replace(/^\[(.*)\]$/, '$1')
  let addresses: readonly string[]
  try {
    addresses = (await lookup(host, { all: true })).map(({ address }) => address)
  } catch (error) {
    const next = `make ${host} known in the DNS, or set FIRSTLIGHT_PUBLIC_URL to a name that is`
    return [problem(`${host} does not resolve: ${reasonOf(error)}`, next)]
  }
  const isLoopback = (one: string) => one.startsWith('127.') || one === '::1'
  const detail = `${host} is ${addresses.join(', ')}`
  if (addresses.every(isLoopback) && hosts.some((one) => isWildcard(one) || !isLoopback(one))) {
    return [problem(`${detail}, where no device can reach it`, 'look at /etc/hosts and the DNS')]
  }
  if (!isRunning) return [ok(detail), skipped('not called, since the service is not running')]
  const { status, reason } = await statusOf(`${publicUrl}/health/live`)
  if (status === 200) return [ok(`${detail}, and the service answers there`)]
  const next = 'from outside, too? then look at the proxy or the firewall in between'
  return [warning(`${detail}, but ${publicUrl} does not answer from here: ${reason}`, next)]
}
