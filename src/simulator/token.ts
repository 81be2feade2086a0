/** The device at the owner's service: its certificate over mutual TLS for a short-lived token. */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { CliFailure } from '../cli/failure.ts'

/** What TO2 left in the sandbox: identity/service.json. */
export interface ServiceAddresses {
  readonly token_url: string
  readonly api_url: string
  /** The file of the trust bundle, relative to the folder of service.json. */
  readonly ca: string
}

export interface TokenAnswer {
  readonly access_token: string
  readonly token_type: string
  readonly expires_in: number
  readonly scope?: string
}

const TIMEOUT_MS = 15_000

/** OAuth 2.0 client credentials, the client authenticated by its certificate. RFC 8705. */
export async function fetchDeviceToken(sandbox: string, scope?: string): Promise<TokenAnswer> {
  const { addresses, tls } = readIdentity(sandbox)
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: commonNameOf(new X509Certificate(tls.cert)),
  })
  if (scope !== undefined) form.set('scope', scope)
  const { status, body } = await post(new URL(addresses.token_url), tls, form.toString())
  const answer = parse(body)
  if (status === 200) return answer as unknown as TokenAnswer
  throw new CliFailure(
    status === 401 || status === 400 ? 'authentication' : 'failed',
    `no token: ${String(answer['error_description'] ?? answer['error'] ?? status)}`,
    { code: String(answer['error'] ?? `http-${status}`), next: 'onboard the device again' },
  )
}

interface Tls {
  readonly key: Buffer
  readonly cert: Buffer
  readonly ca: Buffer
}

function readIdentity(sandbox: string): {
  readonly addresses: ServiceAddresses
  readonly tls: Tls
} {
  const file = (name: string) => join(sandbox, 'identity', name)
  try {
    const addresses = JSON.parse(readFileSync(file('service.json'), 'utf8')) as ServiceAddresses
    const tls = {
      key: readFileSync(file('key.pem')),
      cert: readFileSync(file('cert.pem')),
      ca: readFileSync(file('ca.pem')),
    }
    return { addresses, tls }
  } catch (cause) {
    throw new CliFailure('failed', `${sandbox} holds no identity of a device`, {
      code: 'not-onboarded',
      next: 'onboard the device first: firstlight device onboard',
      cause,
    })
  }
}

function post(url: URL, tls: Tls, form: string): Promise<{ status: number; body: string }> {
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(form),
  }
  return new Promise((resolve, reject) => {
    const options = { ...tls, method: 'POST', headers, timeout: TIMEOUT_MS }
    const call = request(url, options, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
      )
    })
    call.on('timeout', () =>
      call.destroy(new CliFailure('timed-out', `no answer from ${url.host}`)),
    )
    call.on('error', reject)
    call.end(form)
  })
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return {} // An answer that is not JSON is reported by its status.
  }
}

function commonNameOf(certificate: X509Certificate): string {
  return /^CN=(.+)$/m.exec(certificate.subject)?.[1] ?? ''
}
