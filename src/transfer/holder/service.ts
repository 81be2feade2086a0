/** What a party has sold, for those who prove to hold the key it was sold to. */
import { type Bytes, fromUtf8, utf8 } from '../../../protocol/bytes.ts'
import { readReceipt } from '../../../protocol/transfer/receipt.ts'
import { parseVoucher } from '../../../protocol/voucher/voucher.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { TransferRefusal } from '../answer.ts'
import type { Partners } from '../partners/service.ts'
import type { PartyPort, SoldQuery, SoldVoucher, VoucherPort } from '../ports.ts'
import { type RecordServices, recordPassage } from '../receipts/record.ts'
import { hashOf } from '../secret.ts'

export interface HolderServices extends RecordServices {
  readonly database: Database
  readonly clock: Clock
  readonly vouchers: Pick<VoucherPort, 'listSold' | 'countSold' | 'fetchSold' | 'findDevice'>
  readonly partners: Pick<Partners, 'findByKey'>
  /** One that is suspended has sold nothing, as one that does not exist. */
  readonly parties: Pick<PartyPort, 'isActive'>
}

/** Who asks: a key, at a party. */
export interface Buyer {
  readonly party: string
  readonly ownerKey: string
}

export interface ListWish extends Pick<SoldQuery, 'since' | 'until' | 'isFetched'> {
  readonly limit: number
  readonly continuation: string
}

export interface SoldList {
  readonly vouchers: readonly SoldVoucher[]
  /** Where the next page begins; empty after the last. */
  readonly continuation: string
  readonly total: number
}

const GUID = /^[0-9a-f]{32}$/

export class Holder {
  readonly #services: HolderServices

  constructor(services: HolderServices) {
    this.#services = services
  }

  async list(buyer: Buyer, { limit, continuation, ...wish }: ListWish): Promise<SoldList> {
    const { vouchers, parties } = this.#services
    if (!(await parties.isActive(buyer.party))) return { vouchers: [], continuation: '', total: 0 }
    const query = { ...buyer, ...wish }
    const after = positionOf(continuation)
    const found = await vouchers.listSold({ ...query, limit: limit + 1, after })
    const shown = found.slice(0, limit)
    const last = found.length > limit ? shown.at(-1) : undefined
    return {
      vouchers: shown,
      continuation: last ? continuationOf(last.guid) : '',
      total: await vouchers.countSold(query),
    }
  }

  async fetch({ party, ownerKey }: Buyer, guid: string): Promise<Bytes> {
    const { vouchers, parties } = this.#services
    const mayBe = GUID.test(guid) && (await parties.isActive(party))
    const voucher = mayBe ? await vouchers.fetchSold(party, ownerKey, guid) : undefined
    if (!voucher) throw new TransferRefusal(404, 'no such voucher was sold to this key')
    return voucher
  }

  /** The buyer's signature for what was fetched. Throws an FdoError for one that does not hold. */
  async keepReceipt(buyer: Buyer, guid: string, receipt: Bytes): Promise<void> {
    const { database, clock, partners } = this.#services
    const voucher = await this.fetch(buyer, guid)
    await readReceipt(receipt, parseVoucher(voucher))
    const { party, ownerKey } = buyer
    const partner = await partners.findByKey(party, ownerKey)
    const row = {
      ...{ party, direction: 'got' as const, guid, voucher_hash: hashOf(voucher) },
      peer: partner?.id ?? `key ${ownerKey}`,
      at: clock.now().toISOString(),
      receipt,
    }
    const how = { type: 'receipt-received', by: row.peer } as const
    await database.commit((tx) => recordPassage(this.#services, tx, row, how), { durable: true })
  }
}

function continuationOf(guid: string): string {
  return Buffer.from(utf8(guid)).toString('base64url')
}

/** What is none of ours begins anew, as all values that cannot be read do. */
function positionOf(continuation: string): string | undefined {
  const guid = fromUtf8(Buffer.from(continuation, 'base64url').filter((byte) => byte < 0x80))
  return GUID.test(guid) ? guid : undefined
}
