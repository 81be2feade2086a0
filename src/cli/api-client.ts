/** Calls to the management API, with the address and token a command was given or can find. */
import { readFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { CliFailure } from './failure.ts'
import { httpUrl } from './http-url.ts'

export interface ApiOptions {
  readonly url?: string
  readonly tokenFile?: string
  readonly ca?: string
  /** Seconds. */
  readonly timeout?: string
  /** The requests speak for themselves: no token goes with them. */
  readonly anonymous?: boolean
}

export interface ApiCall {
  readonly method?: string
  readonly body?: Uint8Array | string
  readonly contentType?: string
  readonly accept?: string
  /** A status besides 2xx whose answer is wanted. */
  readonly orStatus?: number
}

export interface ApiAnswer {
  readonly status: number
  readonly contentType: string
  readonly body: Buffer
}

export class ApiClient {
  readonly #base: URL
  readonly #token: string | undefined
  readonly #ca: Buffer | undefined
  readonly #timeoutMs: number

  constructor(options: ApiOptions, env: NodeJS.ProcessEnv = process.env) {
    this.#base = baseOf(options, env)
    this.#token = options.anonymous ? undefined : findToken(options, env)
    const ca = options.ca ?? (env['FIRSTLIGHT_CA'] || localCa(this.#base, env))
    this.#ca = ca === undefined ? undefined : readFileSync(ca)
    this.#timeoutMs = timeoutMsOf(options.timeout ?? '60')
  }

  /** A JSON answer; anything but 2xx becomes a CliFailure that says what to do. */
  async json<T>(path: string, call: ApiCall & { readonly json?: unknown } = {}): Promise<T> {
    const { json, ...rest } = call
    const sent =
      json === undefined ? rest : { ...rest, body: JSON.stringify(json), contentType: JSON_TYPE }
    const answer = await this.send(path, sent)
    return (answer.body.length === 0 ? undefined : parsed(answer, this.#base)) as T
  }

  /** Every item of a list, page after page. */
  async *items<T>(path: string): AsyncGenerator<T> {
    let cursor: string | null = null
    do {
      const separator = path.includes('?') ? '&' : '?'
      const query: string =
        cursor === null ? '' : `${separator}cursor=${encodeURIComponent(cursor)}`
      const page: { items: T[]; next: string | null } = await this.json(`${path}${query}`)
      yield* page.items
      cursor = page.next
    } while (cursor !== null)
  }

  async list<T>(path: string): Promise<T[]> {
    const items: T[] = []
    for await (const item of this.items<T>(path)) items.push(item)
    return items
  }

  async send(path: string, call: ApiCall = {}): Promise<ApiAnswer> {
    const answer = await this.#exchange(new URL(path, this.#base), call)
    if (answer.status >= 200 && answer.status < 300) return answer
    if (answer.status === call.orStatus) return answer
    throw failureFrom(answer, this.#base)
  }

  #exchange(url: URL, call: ApiCall): Promise<ApiAnswer> {
    const { method = 'GET', body, contentType = JSON_TYPE, accept = JSON_TYPE } = call
    const headers: Record<string, string> = { accept }
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token}`
    if (body !== undefined) {
      headers['content-type'] = contentType
      headers['content-length'] = String(Buffer.byteLength(body))
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const options = {
        method,
        headers,
        timeout: this.#timeoutMs,
        ...(this.#ca && { ca: this.#ca }),
      }
      const request = send(url, options, (response) => {
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            contentType: response.headers['content-type'] ?? '',
            body: Buffer.concat(parts),
          }),
        )
      })
      request.on('timeout', () =>
        request.destroy(new CliFailure('timed-out', `no answer from ${url.origin}`)),
      )
      request.on('error', (error) => reject(explain(error, url)))
      request.end(body)
    })
  }
}

const JSON_TYPE = 'application/json'

/** `--timeout`, in seconds. */
export function timeoutMsOf(seconds: string): number {
  const value = Number(seconds)
  if (value > 0 && value <= 86_400) return Math.ceil(value * 1000)
  throw new CliFailure('usage', `--timeout: not a number of seconds: ${seconds}`)
}

function baseOf({ url }: ApiOptions, env: NodeJS.ProcessEnv): URL {
  if (url !== undefined) return httpUrl(url, '--url')
  if (env['FIRSTLIGHT_URL']) return httpUrl(env['FIRSTLIGHT_URL'], 'FIRSTLIGHT_URL')
  return new URL(localUrl(env))
}

/** Where `firstlight serve` listens, by the same variables. */
function localUrl(env: NodeJS.ProcessEnv): string {
  const port = env['FIRSTLIGHT_PORT'] || '8080'
  const tlsPort = env['FIRSTLIGHT_TLS_PORT'] || '8443'
  if (env['FIRSTLIGHT_PUBLIC_URL']) return env['FIRSTLIGHT_PUBLIC_URL']
  return port === 'off' ? `https://127.0.0.1:${tlsPort}` : `http://127.0.0.1:${port}`
}

function dataFile(env: NodeJS.ProcessEnv, name: string): string {
  return join(env['FIRSTLIGHT_DATA'] ?? './data', name)
}

/** On the server's own machine its own CA is at hand. */
function localCa(base: URL, env: NodeJS.ProcessEnv): string | undefined {
  if (base.protocol !== 'https:') return undefined
  const path = dataFile(env, 'ca.pem')
  return readable(path) === undefined ? undefined : path
}

function findToken({ tokenFile }: ApiOptions, env: NodeJS.ProcessEnv): string {
  if (tokenFile) return readFileSync(tokenFile, 'utf8').trim()
  if (env['FIRSTLIGHT_TOKEN']) return env['FIRSTLIGHT_TOKEN'].trim()
  if (env['FIRSTLIGHT_TOKEN_FILE']) return readFileSync(env['FIRSTLIGHT_TOKEN_FILE'], 'utf8').trim()
  const local = readable(dataFile(env, 'admin.token'))
  if (local !== undefined) return local.trim()
  throw new CliFailure('authentication', 'no token to show the service', {
    next: 'set FIRSTLIGHT_TOKEN or FIRSTLIGHT_TOKEN_FILE, or FIRSTLIGHT_DATA on its own machine',
  })
}

function readable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined // Not on the server's machine, or not its user.
  }
}

function explain(error: Error & { code?: string }, url: URL): Error {
  if (error instanceof CliFailure) return error
  return Object.assign(error, { message: `${url.origin}: ${error.message || error.code}` })
}

/** What answers, but not with JSON, is some other service. */
function parsed({ body }: ApiAnswer, url: URL): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw new CliFailure('unreachable', `${url.origin} is no firstlight service`, {
      code: 'not-firstlight',
      next: 'check that the address is right',
      cause,
    })
  }
}

function failureFrom(answer: ApiAnswer, url: URL): CliFailure {
  const { status, contentType } = answer
  const problem = (contentType.includes('json') ? (parsed(answer, url) ?? {}) : {}) as {
    readonly code?: string
    readonly detail?: string
    readonly title?: string
  }
  const message = problem.detail ?? problem.title ?? `the service answered ${status}`
  const code = problem.code ?? `http-${status}`
  if (status === 401 || status === 403) {
    const next = 'use a token with the permission this needs (firstlight token list)'
    return new CliFailure('authentication', message, { code, next })
  }
  if (status === 422 || code === 'check-failed')
    return new CliFailure('check-failed', message, { code })
  return new CliFailure(status >= 500 ? 'failed' : 'refused', message, { code })
}
