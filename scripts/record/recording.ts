/** A recorded run of a device with our service: what was said, and what it takes to say it again. */
import { gunzipSync, gzipSync } from 'node:zlib'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { toHex } from '../../protocol/bytes.ts'
import type { Exchange, FdoAnswer, FdoRequest } from '../../src/fdo/exchange.ts'
import type { Draws, Source } from './randomness.ts'

export interface RecordedMessage {
  readonly number: number
  /** Hex. */
  readonly request: string
  readonly reply: { readonly number: number; readonly body: string } | null
}

export interface Recording extends Draws {
  readonly peer: string
  readonly version: string
  /** What the service took the time to be, throughout. */
  readonly now: string
  /** The configuration that differs from the default. */
  readonly env: Readonly<Record<string, string>>
  /** Files of the data directory before the run: base64 of gzip. */
  readonly data: Readonly<Record<string, string>>
  /** PEM: brought to the service before the device came, for a device made elsewhere. */
  readonly vouchers: readonly string[]
  readonly messages: readonly RecordedMessage[]
}

/** Puts `source` behind every message that the exchange answers; tells of those from outside. */
export function instrument(
  exchange: Exchange,
  source: Source,
  heard: (request: FdoRequest, answer: FdoAnswer) => void = () => {},
): void {
  const answer = exchange.answer.bind(exchange)
  exchange.answer = async (request) => {
    const given = await source.during(request.number, () => answer(request))
    heard(request, given)
    return given
  }
}

export function recordedMessage({ number, bytes }: FdoRequest, answer: FdoAnswer): RecordedMessage {
  const { message } = answer
  return {
    number,
    request: toHex(bytes),
    reply: message && { number: message.number, body: toHex(message.bytes) },
  }
}

/** As an administrator does. `folder` is the data directory. */
export async function importVoucher(http: string, folder: string, pem: string): Promise<void> {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-pem-file' }
  const answer = await fetch(`${http}/api/v1/vouchers`, { method: 'POST', headers, body: pem })
  if (!answer.ok) throw new Error(`the voucher was refused: ${await answer.text()}`)
}

export function packFile(path: string): string {
  return gzipSync(readFileSync(path), { level: 9 }).toString('base64')
}

export function unpackFile(packed: string, path: string): void {
  writeFileSync(path, gunzipSync(Buffer.from(packed, 'base64')), { mode: 0o600 })
}
