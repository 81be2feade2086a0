/**
 * Answers of the Voucher Transfer Protocol: JSON, an error as `{error, request_id}`. Management has
 * problem documents; partners' programs do not read those.
 */
import { randomBytes } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { VoucherError } from '../../protocol/voucher/voucher.ts'
import { FdoError } from '../../protocol/errors.ts'
import { KeyAuthError } from '../../protocol/key-auth/messages.ts'

/** What a caller is told; thrown from anywhere behind a transfer route. */
export class TransferRefusal extends Error {
  override readonly name = 'TransferRefusal'
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

export function tooMany(seconds: number): TransferRefusal {
  const headers = { 'retry-after': String(seconds) }
  return new TransferRefusal(429, `try again in ${seconds} s`, headers)
}

/** The same whether the token, the party or the header is what is wrong. */
export function notLetIn(): TransferRefusal {
  return new TransferRefusal(401, 'send a token that is good here: Authorization: Bearer …', {
    'www-authenticate': 'Bearer',
  })
}

/** `Bearer` as it is written; other spellings of the scheme are refused by all who speak this. */
export function bearerOf(authorization: string | null): string | undefined {
  return /^Bearer ([\w.~+/-]+=*)$/.exec(authorization ?? '')?.[1]
}

/** The caller's own id where it may stand in a header and a log. */
export function requestIdOf(request: Request): string {
  const given = request.headers.get('x-request-id') ?? ''
  return /^[\w.-]{1,64}$/.test(given) ? given : randomBytes(8).toString('hex')
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}) {
  const all = { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers }
  return new Response(JSON.stringify(body), { status, headers: all })
}

export function bytesAnswer(type: string, body: Bytes, headers: Record<string, string> = {}) {
  const all = { 'content-type': type, 'cache-control': 'no-store', ...headers }
  return new Response(new Uint8Array(body), { headers: all })
}

/** Undefined for what was not thrown on purpose. */
export function refusalOf(error: unknown): TransferRefusal | undefined {
  if (error instanceof TransferRefusal) return error
  if (error instanceof KeyAuthError) {
    const isAboutProof = ['nonce', 'signature', 'signed-payload'].includes(error.check)
    return new TransferRefusal(isAboutProof ? 401 : 400, error.message)
  }
  if (error instanceof VoucherError || error instanceof FdoError) {
    return new TransferRefusal(400, error.message)
  }
  return undefined
}

/** The body, or a refusal before more of it is kept than may be. */
export async function readBody(request: Request, most: number): Promise<Bytes> {
  const tooLarge = () => new TransferRefusal(413, `a body here may be ${most} bytes long`)
  if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge()
  const parts: Uint8Array[] = []
  let length = 0
  for await (const part of request.body ?? []) {
    length += part.length
    if (length > most) throw tooLarge()
    parts.push(part)
  }
  return Buffer.concat(parts)
}
