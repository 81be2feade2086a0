/** A partner's list of vouchers, as its HTTP interface has it, for one key of ours. */
import { type Bytes, fromBase64, fromUtf8 } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { type KeyAuthCall, type KeyAuthToken, proveKey } from '../key-auth/client.ts'
import { PartnerError, headerOf, jsonOf, textOfAnswer } from '../partner-error.ts'
import type { Http, HttpAnswer, HttpRequest } from '../ports.ts'
import { hashOf } from '../secret.ts'

export interface Listed {
  readonly id: string
  /** `created_at`; empty where it has none. */
  readonly listedAt: string
}

export interface ListedPage {
  readonly items: readonly Listed[]
  readonly continuation: string
  /** Whether it keeps receipts: it is a firstlight, then. */
  readonly keepsReceipts: boolean
}

const MOST_LIST_BYTES = 1 << 20
/** Longer than any voucher that is taken in, so that one too long spoils no other. */
const MOST_VOUCHER_BYTES = 10 << 20
const TIMEOUT_MS = 30_000
const PAGE = 200
/** All those of a list are kept until it ends. */
const LONGEST_CONTINUATION = 1_024
/** As it may stand in a path, and be kept. */
const VOUCHER_ID = /^[\w.-]{1,128}$/

/** Throws a PartnerError for what it answers, an Error for what cannot be read. */
export class Source {
  readonly #http: Http
  readonly #call: KeyAuthCall
  #proven: KeyAuthToken | undefined

  constructor(http: Http, call: KeyAuthCall) {
    this.#http = http
    this.#call = call
  }

  async list(continuation: string): Promise<ListedPage> {
    const from = continuation && `&continuation=${encodeURIComponent(continuation)}`
    const answer = await this.#ask(`?limit=${PAGE}${from}`, 'GET', MOST_LIST_BYTES)
    return pageOf(answer.body)
  }

  async download(id: string): Promise<Bytes> {
    const answer = await this.#ask(`/${id}/download`, 'GET', MOST_VOUCHER_BYTES)
    const checksum = headerOf(answer, 'x-fdo-checksum')
    if (checksum?.startsWith('sha256:') && checksum !== `sha256:${hashOf(answer.body)}`) {
      throw new FdoError('INVALID_MESSAGE_ERROR', 'not what its checksum says')
    }
    return answer.body
  }

  async giveReceipt(id: string, receipt: string): Promise<void> {
    await this.#ask(`/${id}/receipt`, 'POST', MOST_LIST_BYTES, fromBase64(receipt))
  }

  /** A token that is good no more is replaced, once. */
  async #ask(
    path: string,
    method: HttpRequest['method'],
    maxBytes: number,
    body?: Bytes,
  ): Promise<HttpAnswer> {
    for (const isLast of [false, true]) {
      const wasProven = this.#proven !== undefined
      this.#proven ??= await proveKey(this.#http, this.#call)
      const answer = await this.#http.request(`${this.#call.root}${path}`, {
        ...{ method, maxBytes, timeoutMs: TIMEOUT_MS, party: this.#call.party },
        ...(body && { body }),
        headers: {
          authorization: `Bearer ${this.#proven.token}`,
          ...(body && { 'content-type': 'application/cose' }),
        },
      })
      if (answer.status === 200) return answer
      if (isLast || answer.status !== 401 || !wasProven) throw errorOf(answer)
      this.#proven = undefined
    }
    throw new Error('never reached: the last try returns or throws')
  }
}

function errorOf(answer: HttpAnswer): PartnerError {
  return new PartnerError(answer.status, textOfAnswer(answer), headerOf(answer, 'retry-after'))
}

function pageOf(body: Bytes): ListedPage {
  const document = recordOf(documentIn(body))
  const { vouchers, continuation = '', receipts } = document ?? {}
  // go-fdo writes null for an empty list.
  const list = vouchers ?? []
  if (!document || !Array.isArray(list) || typeof continuation !== 'string') {
    throw new Error('its list of vouchers cannot be read')
  }
  if (continuation.length > LONGEST_CONTINUATION) {
    throw new Error(`its list goes on with more than ${LONGEST_CONTINUATION} characters`)
  }
  return { items: list.map(listedOf), continuation, keepsReceipts: receipts === true }
}

/** Undefined for what is no JSON, or none in UTF-8. */
function documentIn(body: Bytes): unknown {
  try {
    return jsonOf(fromUtf8(body))
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function listedOf(entry: unknown): Listed {
  const { voucher_id: id, created_at: listedAt = '' } = recordOf(entry) ?? {}
  if (typeof id !== 'string' || !VOUCHER_ID.test(id) || /^\.+$/.test(id)) {
    throw new Error('its list names a voucher by what is no id')
  }
  return { id, listedAt: typeof listedAt === 'string' ? listedAt.slice(0, 64) : '' }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined
}
