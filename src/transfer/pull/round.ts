/** One pull: what a partner lists for each of our keys, and is not here yet, is fetched and taken in. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { FdoError } from '../../../protocol/errors.ts'
import { KeyAuthError } from '../../../protocol/key-auth/messages.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Log } from '../../log.ts'
import { TransferRefusal } from '../answer.ts'
import type { Inbox } from '../inbox/service.ts'
import { PartnerError, plain } from '../partner-error.ts'
import type { Partner } from '../partners/service.ts'
import type { Http, KeyPort } from '../ports.ts'
import { type Listed, Source } from './source.ts'
import * as store from './store.ts'

export interface RoundServices {
  readonly database: Database
  readonly log: Log
  readonly http: Http
  readonly keys: Pick<KeyPort, 'ownerSigners'>
  readonly inbox: Inbox
  /** How many are fetched until the call is answered. */
  readonly mostAtOnce?: number | undefined
}

/** What came of a pull, as far as it went. */
export interface Pulled {
  taken: number
  /** Taken in before: pulled, pushed or imported. */
  known: number
  failed: { readonly id: string; readonly reason: string }[]
  /** There is more: ask again. */
  more: boolean
}

/** One call of the API is answered after so many: it goes on where it was. */
const MOST_AT_ONCE = 1_000
const MOST_FAILURES = 100
/** A million vouchers, in pages of the size we ask for. */
const MOST_PAGES = 5_000

export class PullRound {
  readonly #services: RoundServices
  readonly #partner: Partner
  readonly #stopped: AbortSignal
  readonly #most: number
  readonly #pulled: Pulled = { taken: 0, known: 0, failed: [], more: false }
  /** Vouchers that had to be asked for, whatever became of them; and those asked for once more. */
  #fetched = 0
  #again = 0

  constructor(services: RoundServices, partner: Partner, stopped: AbortSignal) {
    this.#services = services
    this.#partner = partner
    this.#stopped = stopped
    this.#most = services.mostAtOnce ?? MOST_AT_ONCE
  }

  async run(): Promise<Pulled> {
    const { http, keys } = this.#services
    const { pull_url: root, keys: holderKeys, party } = this.#partner
    if (root === null) throw new Problem('conflict', 'this partner has no address to pull from')
    if (holderKeys.length === 0) {
      throw new Problem('conflict', 'no key of this partner is known: add it, or its did:web')
    }
    for (const signer of await keys.ownerSigners(party)) {
      await this.#pullBy(new Source(http, { root, party, signer, holderKeys }))
      if (this.#pulled.more) break
    }
    return this.#pulled
  }

  /** All that was sold to one key. */
  async #pullBy(source: Source): Promise<void> {
    const seen = new Set<string>()
    let continuation = ''
    do {
      if (this.#stopped.aborted) {
        this.#pulled.more = true
        return
      }
      const page = await listed(source, continuation)
      if (!page) return
      await this.#takeAll(source, page)
      seen.add(continuation)
      continuation = page.continuation
      const isEndless = seen.has(continuation) || seen.size >= MOST_PAGES
      if (isEndless && continuation !== '') throw new Error('its list never ends')
    } while (continuation !== '' && !this.#pulled.more)
  }

  async #takeAll(
    source: Source,
    { items, keepsReceipts }: { items: readonly Listed[]; keepsReceipts: boolean },
  ): Promise<void> {
    const ids = items.map(({ id }) => id)
    const known = await store.findPulled(this.#services.database.db, this.#partner.id, ids)
    for (const item of items) {
      const isKnown = known.get(item.id) === item.listedAt
      if (isKnown && !this.#mayHaveChanged(item)) {
        this.#pulled.known++
        continue
      }
      if (this.#stopped.aborted || (!isKnown && this.#fetched >= this.#most)) {
        this.#pulled.more = true
        return
      }
      if (isKnown) this.#again++
      else this.#fetched++
      await this.#takeOne(source, { ...item, keepsReceipts })
    }
  }

  /** Without a date nothing says whether it was sold again since; of very many some are looked at. */
  #mayHaveChanged({ listedAt }: Listed): boolean {
    return listedAt === '' && this.#again < this.#most
  }

  async #takeOne(
    source: Source,
    { id, listedAt, keepsReceipts }: Listed & { keepsReceipts: boolean },
  ): Promise<void> {
    const { inbox, database } = this.#services
    const { party, id: partner } = this.#partner
    const pulled = this.#pulled
    try {
      const voucher = await source.download(id)
      const { receipt, isNew } = await inbox.take(party, voucher, this.#partner)
      // Before it is written down: what is not, is fetched and signed for once more.
      if (keepsReceipts && receipt !== null) await this.#giveReceipt(source, id, receipt)
      const row = { partner, voucher_id: id, listed_at: listedAt }
      await database.commit((tx) => store.addPulled.run(tx, row))
      if (isNew) pulled.taken++
      else pulled.known++
    } catch (error) {
      if (isAboutPartner(error) || pulled.failed.length >= MOST_FAILURES) throw error
      pulled.failed.push({ id, reason: problemOf(error).message })
    }
    // Devices are waiting, too.
    await nextTurn()
  }

  /** That it is not wanted after all changes nothing. */
  async #giveReceipt(source: Source, id: string, receipt: string): Promise<void> {
    try {
      await source.giveReceipt(id, receipt)
    } catch (error) {
      if (!(error instanceof PartnerError) || isAboutPartner(error)) throw error
      this.#services.log.warn({ voucher: id, reason: error.message }, 'a receipt was refused')
    }
  }
}

/** Undefined where the partner does not know this key: it has sold nothing to it. */
async function listed(source: Source, continuation: string) {
  try {
    return await source.list(continuation)
  } catch (error) {
    if (error instanceof PartnerError && error.status === 404) return undefined
    throw error
  }
}

/** Of no use to go on with the next voucher. */
function isAboutPartner(error: unknown): boolean {
  if (error instanceof PartnerError) return error.status === 401 || error.isTransient
  if (error instanceof KeyAuthError) return true
  return !(error instanceof TransferRefusal || error instanceof FdoError)
}

/** Bugs of ours are thrown on. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof Error) || error instanceof TypeError) throw error
  return new Problem('check-failed', plain(error.message), { cause: error })
}
