/** The whole service in this process, on a socket and a folder of its own. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config.ts'
import type { Fakes } from '../../src/composition/services.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { type RawAnswer, call } from './listening.ts'
import { withDatabase } from './database.ts'
import { Unhurried } from './unhurried.ts'

/** RSA keys have to be found, and the machine may be busy. */
export const PATIENCE_MS = 120_000

export interface TestService {
  readonly service: RunningService
  readonly folder: string
  readonly adminToken: string
  /** A call of the management API; `token` null for none, undefined for the administrator's. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>
  /** Stops it, and leaves the folder to a successor. */
  stop(): Promise<void>
  remove(): Promise<void>
}

export interface ApiOptions {
  readonly token?: string | null
  readonly json?: unknown
  readonly body?: Uint8Array | string
  readonly headers?: Record<string, string>
}

export interface ApiAnswer extends RawAnswer {
  readonly json: unknown
}

export async function startTestService(
  variables: Record<string, string> = {},
  {
    folder = mkdtempSync(join(tmpdir(), 'firstlight-')),
    ...fakes
  }: Fakes & { folder?: string } = {},
): Promise<TestService> {
  const config = loadConfig(
    await withDatabase({
      FIRSTLIGHT_DATA: folder,
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: 'off',
      FIRSTLIGHT_LOG: 'silent',
      ...variables,
    }),
  )
  const service = await startService(config, { load: new Unhurried(), ...fakes })
  const adminToken = readFileSync(config.adminTokenFile, 'utf8').trim()
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= service.stop())
  return {
    service,
    folder,
    adminToken,
    async api(method, path, { token = adminToken, json, body, headers } = {}) {
      const sent = json === undefined ? body : JSON.stringify(json)
      const all = {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      }
      const answer = await call(`${service.http}${path}`, method, all, sent)
      const isJson = /\bjson/.test(answer.headers['content-type'] ?? '')
      return { ...answer, json: isJson ? JSON.parse(answer.body.toString()) : undefined }
    },
    stop,
    async remove() {
      await stop()
      rmSync(folder, { recursive: true })
    },
  }
}
