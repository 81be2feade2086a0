/** Calls of the management API of a service in another process. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { toPem } from '../../protocol/x509/pem.ts'
import { type RawAnswer, call } from './listening.ts'
import type { ServeProcess } from './programs.ts'

export type Served = Pick<ServeProcess, 'url' | 'folder'>

export function callAt(
  { url, folder }: Served,
  method: string,
  path: string,
  body: string = '',
  type = 'application/json',
): Promise<RawAnswer> {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = {
    ...{ authorization: `Bearer ${token}`, connection: 'close' },
    ...(body !== '' && { 'content-type': type }),
  }
  return call(`${url}/api/v1${path}`, method, headers, body)
}

export async function api<T>(at: Served, method: string, path: string, json?: unknown): Promise<T> {
  const answer = await callAt(at, method, path, json === undefined ? '' : JSON.stringify(json))
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${String(answer.body)}`)
  return (answer.body.length > 0 ? JSON.parse(String(answer.body)) : undefined) as T
}

export async function listAt<T>(at: Served, path: string): Promise<readonly T[]> {
  return (await api<{ items: T[] }>(at, 'GET', path)).items
}

interface KeyJson {
  readonly purpose: string
  readonly type: string
  readonly public_key: string
  readonly fingerprint: string
}

/** The key that vouchers are sold to, or that sells them. */
export async function ownerKeyOf(at: Served): Promise<{
  readonly spki: Uint8Array<ArrayBuffer>
  readonly pem: string
  readonly fingerprint: string
}> {
  const keys = await listAt<KeyJson>(at, '/keys')
  const key = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
  if (!key) throw new Error('there is no owner key')
  const spki = new Uint8Array(Buffer.from(key.public_key, 'base64'))
  return { spki, pem: toPem('PUBLIC KEY', spki), fingerprint: key.fingerprint }
}
