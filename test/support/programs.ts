/** The built program in processes of its own, as scripts run it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { withDatabase } from './database.ts'

export const MAIN = 'dist/src/cli/main.js'
/** The machine may be busy, a first start has RSA keys to find, and what was claimed has to lapse. */
const READY_MS = 120_000

export type Variables = Readonly<Record<string, string>>

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
  /** What was on stdout, where that is one JSON document. */
  readonly json: unknown
}

/** Nothing of this test run's own settings. */
function environment(variables: Variables): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env
  return { PATH, HOME, ...variables }
}

/** Runs one command to its end. */
export async function firstlight(
  args: readonly string[],
  variables: Variables = {},
): Promise<Ended> {
  const env = environment(await withDatabase(variables))
  const child = spawn(process.execPath, [MAIN, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (part: Buffer) => (output.stdout += part.toString()))
  child.stderr.on('data', (part: Buffer) => (output.stderr += part.toString()))
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status) =>
      resolve({ status, ...output, json: parsedOrUndefined(output.stdout) }),
    )
  })
}

function parsedOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // For people, or nothing at all.
  }
}

export interface Ready {
  readonly event: string
  readonly http: string | null
  readonly https: string | null
  readonly roles: readonly string[]
  readonly pid: number
}

const SERVE: readonly string[] = [process.execPath, MAIN, 'serve']

/** `firstlight serve` on one data folder and one port, however often it is killed. */
export class ServeProcess {
  readonly folder: string
  readonly url: string
  readonly #variables: Variables
  readonly #command: readonly string[]
  #child: ChildProcess | undefined
  #log = ''
  #ended: Promise<number | null> = Promise.resolve(null)

  constructor(folder: string, port: number, variables: Variables = {}, command = SERVE) {
    this.folder = folder
    this.#command = command
    this.url = `http://127.0.0.1:${port}`
    this.#variables = {
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_PORT: String(port),
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_LOG: 'silent',
      ...variables,
    }
  }

  /** Resolves with the line that says it is ready. */
  async start(): Promise<Ready> {
    const [program = '', ...args] = this.#command
    const env = environment(await withDatabase(this.#variables))
    const child = spawn(program, args, {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('close', resolve))
    return new Promise((resolve, reject) => {
      let stdout = ''
      this.#log = ''
      const deadline = setTimeout(() => reject(new Error(`not ready: ${this.#log}`)), READY_MS)
      child.stderr.on('data', (part: Buffer) => (this.#log += part.toString()))
      child.stdout.on('data', (part: Buffer) => {
        stdout += part.toString()
        if (!stdout.includes('\n')) return
        clearTimeout(deadline)
        resolve(JSON.parse(stdout) as Ready)
      })
      child.once('close', (status) => {
        clearTimeout(deadline)
        reject(new Error(`ended with status ${status}: ${this.#log}`))
      })
    })
  }

  /** As a power cut: nothing is finished, nothing is said. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL')
    await this.#ended
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Its administrator's. */
  get token(): string {
    return readFileSync(join(this.folder, 'admin.token'), 'utf8').trim()
  }

  /** What it has logged since it was started. */
  get log(): readonly Readonly<Record<string, unknown>>[] {
    const whole = this.#log.slice(0, this.#log.lastIndexOf('\n') + 1)
    const lines = whole.split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** What Prometheus reads: by name and labels. */
  async figures(): Promise<ReadonlyMap<string, number>> {
    const answer = await this.#answer('/metrics')
    const lines = (await answer.text()).split('\n').filter((line) => /^[a-z]/.test(line))
    return new Map(lines.map((line) => [line.replace(/ \S+$/, ''), Number(/\S+$/.exec(line))]))
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name)
  }

  /** Its exit status. */
  async stop(): Promise<number | null> {
    this.#child?.kill('SIGTERM')
    return await this.#ended
  }

  /** Every item of a list of the management API. */
  async list<T>(path: string): Promise<readonly T[]> {
    return ((await this.#call(path)) as { items: T[] }).items
  }

  /** Changes a setting by the management API. */
  async put(path: string, document: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    await this.#call(path, { method: 'PUT', body: JSON.stringify(document), headers })
  }

  async #call(path: string, init: RequestInit = {}): Promise<unknown> {
    return await (await this.#answer(`/api/v1${path}`, init)).json()
  }

  async #answer(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...init.headers, authorization: `Bearer ${this.token}`, connection: 'close' }
    const answer = await fetch(`${this.url}${path}`, { ...init, headers })
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    return answer
  }
}

/** Below those that the system gives away to others in between. */
const OWN_PORTS = 10_240
/** Of each process that runs tests beside others. */
const PORTS_EACH = 1_000
const firstPort = OWN_PORTS + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 20) * PORTS_EACH
let drawn = randomInt(PORTS_EACH)

/** A port nobody listens on: a service that is killed must come back on its own. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + (drawn++ % PORTS_EACH)
    if (await isFree(port)) return port
  }
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Asks again and again, until it is so or the time is over. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + READY_MS
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
