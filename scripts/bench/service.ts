/** The server under test: our own, started afresh, or another by its addresses and processes. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ApiClient } from '../../src/cli/api-client.ts'

const CLI = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.js')
const REGISTRATION_DEADLINE_MS = 120_000

export interface OwnService {
  readonly url: string
  readonly pid: number
  /** From the start of the process to its ready line. */
  readonly readyMs: number
  /** No device is announced at the rendezvous until `release`: DI is measured by itself. */
  hold(): Promise<void>
  release(): Promise<void>
  /** Waits until every device made is registered. */
  registered(): Promise<void>
  stop(): Promise<void>
}

export async function startOwnService(): Promise<OwnService> {
  const data = mkdtempSync(join(tmpdir(), 'firstlight-bench-'))
  const env = {
    ...process.env,
    FIRSTLIGHT_DATA: data,
    FIRSTLIGHT_PORT: '0',
    FIRSTLIGHT_LOG: 'warn',
  }
  const started = performance.now()
  const child = spawn(process.execPath, [CLI, 'serve'], {
    env: { ...env, FIRSTLIGHT_TLS_PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { http, pid } = await readyLine(child)
  const readyMs = Math.round(performance.now() - started)
  const api = new ApiClient({ url: http }, env)
  const addresses = await api.json<{ items: unknown[] }>('/api/v1/owner-addresses')
  const announce = (items: unknown[]) =>
    api.json('/api/v1/owner-addresses', { method: 'PUT', json: { items } })
  return {
    url: http,
    pid,
    readyMs,
    hold: async () => void (await announce([])),
    release: async () => void (await announce(addresses.items)),
    registered: () => untilRegistered(api),
    async stop() {
      await new Promise<void>((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGTERM')
      })
      rmSync(data, { recursive: true })
    },
  }
}

async function readyLine(child: ChildProcess): Promise<{ http: string; pid: number }> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const event = JSON.parse(line) as { event: string; http: string; pid: number }
    if (event.event === 'ready') return event
  }
  throw new Error('the service ended before it was ready')
}

async function untilRegistered(api: ApiClient): Promise<void> {
  const deadline = performance.now() + REGISTRATION_DEADLINE_MS
  for (;;) {
    const path = '/api/v1/devices?state=owned&limit=1'
    const { items } = await api.json<{ items: { to0?: { last_error?: string } }[] }>(path)
    if (items.length === 0) return
    if (performance.now() > deadline) {
      throw new Error(`not registered in time: ${items[0]?.to0?.last_error ?? 'no error yet'}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
