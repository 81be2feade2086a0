/** The server under test: our own, started afresh, or another by its addresses and processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ApiClient } from '../../src/cli/api-client.ts'

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const REGISTRATION_DEADLINE_MS = 120_000
const KEYS_DEADLINE_MS = 120_000

export interface OwnService {
  readonly url: string
  readonly pid: number
  readonly api: ApiClient
  /** The root of its own CA. */
  readonly caFile: string
  /** From the start of the process to its ready line. */
  readonly readyMs: number
  /** Waits until so many registrations have been made, and no more are; gives how many. */
  registered(count: number): Promise<number>
  /** Has every device registered once more, by changing the addresses it is to be sent to. */
  registerAgain(): Promise<void>
  stop(): Promise<void>
}

/** RSA keys a first start makes: two of each purpose. */
const RSA_KEYS = { owner: 2, manufacturer: 4 }

/** `kept`: a data directory of the caller's, which stays when the service is stopped. */
export async function startOwnService(
  variables: NodeJS.ProcessEnv = {},
  kept?: string,
): Promise<OwnService> {
  const data = kept ?? mkdtempSync(join(tmpdir(), 'firstlight-bench-'))
  const env = {
    ...process.env,
    FIRSTLIGHT_DATA: data,
    FIRSTLIGHT_PORT: '0',
    FIRSTLIGHT_LOG: 'warn',
    ...variables,
  }
  const started = performance.now()
  const child = spawn(process.execPath, [CLI, 'serve'], {
    env: { ...env, FIRSTLIGHT_TLS_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { http, pid, roles } = await readyLine(child)
  const readyMs = Math.round(performance.now() - started)
  const api = new ApiClient({ url: http }, env)
  await untilKeysMade(api, RSA_KEYS[roles.includes('manufacturer') ? 'manufacturer' : 'owner'])
  return {
    url: http,
    pid,
    api,
    caFile: join(data, 'ca.pem'),
    readyMs,
    registered: (count) => untilRegistered(api, count),
    registerAgain: () => registerAgain(api),
    async stop() {
      await new Promise<void>((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      })
      if (kept === undefined) rmSync(data, { recursive: true })
    },
  }
}

interface ReadyLine {
  readonly event: string
  readonly http: string
  readonly pid: number
  readonly roles: readonly string[]
}

async function readyLine(child: ChildProcess): Promise<ReadyLine> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const event = JSON.parse(line) as ReadyLine
    if (event.event === 'ready') return event
  }
  throw new Error('the service ended before it was ready')
}

async function untilRegistered(api: ApiClient, count: number): Promise<number> {
  const deadline = performance.now() + REGISTRATION_DEADLINE_MS
  let before = 0
  for (;;) {
    const made = await registrationsMade(api)
    if (made >= count && made === before) return made
    if (performance.now() > deadline) throw new Error(`${made} of ${count} registered in time`)
    before = made
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

/**
 * A first start goes on making RSA keys after it is ready, for seconds: that is done once in the
 * life of a service, and nothing an onboarding costs.
 */
async function untilKeysMade(api: ApiClient, count: number): Promise<void> {
  const deadline = performance.now() + KEYS_DEADLINE_MS
  for (;;) {
    const { items } = await api.json<{ items: { type: string }[] }>('/api/v1/keys?limit=100')
    if (items.filter(({ type }) => type.startsWith('rsa')).length >= count) return
    if (performance.now() > deadline) throw new Error('the service makes its keys for too long')
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
}

async function registrationsMade(api: ApiClient): Promise<number> {
  const { body } = await api.send('/metrics', { accept: 'text/plain' })
  const [, made] =
    /^firstlight_events_total\{event="registration-made"\} (\d+)$/m.exec(body.toString()) ?? []
  return Number(made ?? 0)
}

/** The same address twice is another list, and the same way to us. */
async function registerAgain(api: ApiClient): Promise<void> {
  const path = '/api/v1/owner-addresses'
  const { addresses } = await api.json<{ addresses: object[] }>(path)
  const [first = {}] = addresses
  const other = addresses.length === 1 ? [first, first] : [first]
  await api.json(path, { method: 'PUT', json: { addresses: other } })
}
