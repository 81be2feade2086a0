/** Calls to the management API, with the address and token a command was given or can find. */
import { readFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
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
  /** What is a stream is read as fast as it is sent. */
  readonly body?: Uint8Array | string | Readable
  /** Of a stream, where it is known. */
  readonly length?: number | undefined
  readonly contentType?: string
  readonly accept?: string
  /** Where a stream of events is to go on. */
  readonly lastEventId?: string | undefined
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
    const answer = await collected(await this.#exchange(new URL(path, this.#base), call))
    if (isGood(answer.status) || answer.status === call.orStatus) return answer
    throw failureFrom(answer, this.#base)
  }

  /** As `send`; the answer comes as it is made. */
  async open(path: string, call: ApiCall = {}): Promise<IncomingMessage> {
    const response = await this.#exchange(new URL(path, this.#base), call)
    if (isGood(response.statusCode ?? 0)) return response
    throw failureFrom(await collected(response), this.#base)
  }

  /** An answer of JSON lines, each as it comes. */
  async *lines<T>(path: string, call: ApiCall): AsyncGenerator<T> {
    const response = await this.open(path, { ...call, accept: 'application/x-ndjson' })
    try {
      for await (const line of createInterface({ input: response })) yield JSON.parse(line) as T
    } catch (error) {
      throw response.complete ? error : brokenOff(this.#base, error)
    }
    if (!response.complete) throw brokenOff(this.#base)
  }

  #exchange(url: URL, call: ApiCall): Promise<IncomingMessage> {
    const { method = 'GET', body, length, contentType = JSON_TYPE, accept = JSON_TYPE } = call
    const headers: Record<string, string> = { accept }
    if (call.lastEventId !== undefined) headers['last-event-id'] = call.lastEventId
    if (this.#token !== undefined) headers['authorization'] = `Bearer ${this.#token}`
    if (body !== undefined) {
      const known = isStream(body) ? length : Buffer.byteLength(body)
      headers['content-type'] = contentType
      headers[known === undefined ? 'transfer-encoding' : 'content-length'] = String(
        known ?? 'chunked',
      )
    }
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    return new Promise((resolve, reject) => {
      const options = {
        method,
        headers,
        timeout: this.#timeoutMs,
        ...(this.#ca && { ca: this.#ca }),
      }
      // Whoever refuses may answer before it has read everything.
      const request = send(url, options, resolve)
      request.on('timeout', () =>
        request.destroy(new CliFailure('timed-out', `no answer from ${url.origin}`)),
      )
      request.on('error', (error) => reject(explain(error, url)))
      // All there is where it switches to another protocol, which nobody asked for.
      request.on('close', () => reject(brokenOff(url)))
      if (!isStream(body)) return void request.end(body)
      // Nothing is wrong with the service then.
      body.on('error', (error) => {
        reject(error)
        request.destroy()
      })
      body.pipe(request)
    })
  }
}

function isStream(body: ApiCall['body']): body is Readable {
  return typeof body === 'object' && 'pipe' in body
}

function isGood(status: number): boolean {
  return status >= 200 && status < 300
}

async function collected(response: IncomingMessage): Promise<ApiAnswer> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  const { statusCode: status = 0, headers } = response
  return { status, contentType: headers['content-type'] ?? '', body: Buffer.concat(parts) }
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
  const given = env['FIRSTLIGHT_TOKEN_FILE']
  if (tokenFile) return tokenIn(readFileSync(tokenFile, 'utf8'), tokenFile)
  if (env['FIRSTLIGHT_TOKEN']) return tokenIn(env['FIRSTLIGHT_TOKEN'], 'FIRSTLIGHT_TOKEN')
  if (given) return tokenIn(readFileSync(given, 'utf8'), given)
  return localToken(dataFile(env, 'admin.token'))
}

/** On the server's own machine the administrator's is at hand. */
function localToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') {
      throw new CliFailure('authentication', `this user may not read ${file}`, {
        next: 'call as root, or as whoever the service runs as; or set FIRSTLIGHT_TOKEN_FILE',
      })
    }
    throw new CliFailure('authentication', 'no token to show the service', {
      next: 'set FIRSTLIGHT_TOKEN or FIRSTLIGHT_TOKEN_FILE, or FIRSTLIGHT_DATA on its own machine',
    })
  }
}

/** What can stand in a header: any other file was named by mistake. */
const TOKEN = /^[\w.~+/-]{1,16384}=*$/

function tokenIn(text: string, where: string): string {
  const token = text.trim()
  if (TOKEN.test(token)) return token
  throw new CliFailure('authentication', `${where} holds no token`, { code: 'token' })
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

function brokenOff({ origin }: URL, cause?: unknown): CliFailure {
  const next = 'do it again: what was done stays done'
  return new CliFailure('unreachable', `${origin}: the answer broke off`, { next, cause })
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
