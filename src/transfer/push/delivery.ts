/** One try to bring one voucher to one partner. */
import { type Bytes, fromBase64, fromUtf8 } from '../../../protocol/bytes.ts'
import { sameKey } from '../../../protocol/crypto/public-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { readReceipt } from '../../../protocol/transfer/receipt.ts'
import { parseVoucher } from '../../../protocol/voucher/voucher.ts'
import type { Clock } from '../../clock.ts'
import { buildPush } from '../inbox/multipart.ts'
import { type KeyAuthToken, proveKey } from '../key-auth/client.ts'
import { PartnerError, headerOf, jsonOf, pauseMsOf, plain, textOfAnswer } from '../partner-error.ts'
import type { Partner, Partners } from '../partners/service.ts'
import type { Http, KeyPort, VoucherPort } from '../ports.ts'
import { hashOf } from '../secret.ts'
import type { PushJob } from './store.ts'

export type Outcome =
  | { readonly kind: 'delivered'; readonly receipt: Bytes | null; readonly note: string | null }
  /** Asking again would not help. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** It may help, after a while. */
  | { readonly kind: 'later'; readonly reason: string; readonly pauseMs?: number | undefined }

export interface DeliveryServices {
  readonly clock: Clock
  readonly http: Http
  readonly vouchers: Pick<VoucherPort, 'findOutgoing'>
  readonly keys: Pick<KeyPort, 'signerOf' | 'ownerSigners'>
  readonly partners: Partners
}

const TIMEOUT_MS = 30_000
const MOST_ANSWER_BYTES = 64 * 1024
/** Of our keys, when the one in use is none that the partner knows. */
const MOST_TRIED = 3
/** A token that is about to expire is not used any more. */
const TOKEN_MARGIN_MS = 10_000

/** Brings vouchers to one partner; what it has proven to it, it remembers. */
export class Delivery {
  readonly #services: DeliveryServices
  #proven: KeyAuthToken | undefined

  constructor(services: DeliveryServices) {
    this.#services = services
  }

  /** Throws only what is a bug of ours. */
  async attempt(job: PushJob, partner: Partner): Promise<Outcome> {
    const { vouchers } = this.#services
    const outgoing = await vouchers.findOutgoing(job.party, job.guid)
    if (!outgoing) return refused('the voucher is not here any more')
    if (hashOf(outgoing.voucher) !== job.voucher_hash) {
      return refused('the voucher has changed since it was to be sent')
    }
    if (partner.push_url === null) return refused('the partner has no address to push to')
    const { body, contentType } = buildPush(outgoing, job.guid)
    try {
      const authorization = await this.#authorization(partner, partner.push_url)
      const answer = await this.#services.http.request(partner.push_url, {
        method: 'POST',
        headers: { 'content-type': contentType, ...(authorization && { authorization }) },
        body,
        maxBytes: MOST_ANSWER_BYTES,
        timeoutMs: TIMEOUT_MS,
        party: job.party,
      })
      if (answer.status >= 200 && answer.status < 300) {
        return await deliveredWith(answer.body, outgoing.voucher)
      }
      const retryAfter = headerOf(answer, 'retry-after')
      throw new PartnerError(answer.status, textOfAnswer(answer), retryAfter)
    } catch (error) {
      return this.#failure(error)
    }
  }

  /** What it gave us to show, or else what we get by proving our key. */
  async #authorization(partner: Partner, root: string): Promise<string | undefined> {
    const { partners, clock } = this.#services
    const token = partners.tokenOf(partner)
    if (token !== undefined) return `Bearer ${token}`
    if (partner.keys.length === 0) return undefined
    const until = clock.now().getTime() + TOKEN_MARGIN_MS
    if (!this.#proven || this.#proven.expiresAt.getTime() <= until) {
      this.#proven = await this.#prove(partner, root)
    }
    return this.#proven && `Bearer ${this.#proven.token}`
  }

  /** By the key in use, or by one before it: the partner may know us by that still. */
  async #prove({ party, keys: holderKeys }: Partner, root: string) {
    const { keys, http } = this.#services
    const first = await keys.signerOf(party)
    if (!first) return undefined
    try {
      return await proveKey(http, { root, party, signer: first, holderKeys })
    } catch (refusal) {
      if (!isUnknown(refusal)) throw refusal
      const signers = await keys.ownerSigners(party)
      const others = signers.filter(({ key }) => !sameKey(key, first.key))
      for (const signer of others.slice(0, MOST_TRIED)) {
        try {
          return await proveKey(http, { root, party, signer, holderKeys })
        } catch (error) {
          if (!isUnknown(error)) throw error
        }
      }
      throw refusal
    }
  }

  #failure(error: unknown): Outcome {
    if (error instanceof PartnerError) {
      const wasProven = this.#proven !== undefined
      this.#proven = undefined
      const pauseMs = pauseMsOf(error.retryAfter, this.#services.clock.now())
      // A proof may have expired; a token of the partner's that is wrong stays so.
      const isTransient = error.isTransient || (error.status === 401 && wasProven)
      return isTransient
        ? { kind: 'later', reason: error.message, pauseMs }
        : refused(error.message)
    }
    if (error instanceof FdoError) return refused(plain(error.message))
    if (error instanceof TypeError || error instanceof RangeError) throw error
    if (error instanceof Error) return { kind: 'later', reason: plain(error.message) }
    throw error
  }
}

/** It knows no such key. */
function isUnknown(error: unknown): boolean {
  return error instanceof PartnerError && error.status === 401
}

function refused(reason: string): Outcome {
  return { kind: 'refused', reason }
}

/** A peer that is no firstlight signs nothing; what it took it has taken all the same. */
async function deliveredWith(body: Bytes, voucher: Bytes): Promise<Outcome> {
  const receipt = receiptIn(body)
  if (!receipt) return { kind: 'delivered', receipt: null, note: null }
  try {
    await readReceipt(receipt, parseVoucher(voucher))
    return { kind: 'delivered', receipt, note: null }
  } catch (error) {
    if (!(error instanceof FdoError)) throw error
    return { kind: 'delivered', receipt: null, note: plain(error.message) }
  }
}

function receiptIn(body: Bytes): Bytes | undefined {
  const document = jsonOf(latin1(body))
  const isRecord = typeof document === 'object' && document !== null && 'receipt' in document
  return isRecord && typeof document.receipt === 'string' ? fromBase64(document.receipt) : undefined
}

/** JSON that is not UTF-8 holds no receipt. */
function latin1(body: Bytes): string {
  try {
    return fromUtf8(body)
  } catch {
    return ''
  }
}
