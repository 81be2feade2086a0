/** Vouchers as an administrator deals with them: taken in, looked at, given away, sold, removed. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bytes } from '../../protocol/bytes.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { extendVoucher } from '../../protocol/voucher/extend.ts'
import { type Voucher, VoucherError, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import type { Executor } from '../database/connection.ts'
import type { Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import {
  type GenuineVoucher,
  type ImportCheck,
  type Verdict,
  admit,
  isRefusal,
  verify,
} from './admission.ts'
import type { VoucherLedger } from './ledger.ts'
import * as store from './store.ts'
import type { VoucherFilter, VoucherRow } from './store.ts'

/** What came of one voucher in an import. */
export interface ImportResult {
  readonly guid: string | null
  readonly ok: boolean
  /** The check it failed. */
  readonly check: ImportCheck | null
  readonly detail: string | null
}

/** Who does something, and for whom. */
export type Actor = Pick<Principal, 'id' | 'party'>

interface Sale {
  readonly guid: string
  readonly to: PublicKey
  /** In the transaction that sells it: what throws undoes the sale. */
  readonly alongside?: (tx: Executor, sold: VoucherRow) => Promise<void>
}

const MOST_AT_ONCE = 16

export class VoucherDesk {
  readonly #ledger: VoucherLedger

  constructor(ledger: VoucherLedger) {
    this.#ledger = ledger
  }

  /** Each is taken in alone, in the order given, or else refused and nothing changed. */
  async import(vouchers: readonly Bytes[], { id: by, party }: Actor): Promise<ImportResult[]> {
    const { clock } = this.#ledger.services
    const results: ImportResult[] = []
    for (let i = 0; i < vouchers.length; i += MOST_AT_ONCE) {
      const some = vouchers.slice(i, i + MOST_AT_ONCE)
      const verdicts = await Promise.all(
        some.map((encoded) => verify({ party, encoded, now: clock.now() }, this.#ledger.services)),
      )
      results.push(...(await Promise.all(verdicts.map((verdict) => this.#settle(verdict, by)))))
      // Devices are waiting, too.
      await nextTurn()
    }
    return results
  }

  async #settle(verdict: Verdict, by: string): Promise<ImportResult> {
    if (isRefusal(verdict)) return { ok: false, ...verdict }
    const { database, events } = this.#ledger.services
    const { guid, deviceId: device } = verdict
    const admission = await database.commit((tx) => this.#takeIn(tx, verdict), { durable: true })
    if (isRefusal(admission)) return { guid, ok: false, ...admission }
    if (admission !== 'same') events.voucherImported({ guid, device, by })
    return { guid, ok: true, check: null, detail: admission === 'same' ? 'held already' : null }
  }

  async #takeIn(tx: Executor, { party, voucher, guid, deviceId }: GenuineVoucher) {
    const ledger = this.#ledger
    const ours = await store.findVoucher.first(tx, { party, guid })
    const admission = admit(voucher, deviceId, ours)
    if (admission === 'same' || isRefusal(admission)) return admission
    await ledger.displaceOthers(tx, deviceId, guid)
    const how = { party, device_id: deviceId, origin: 'imported', state: 'held' } as const
    const row = ledger.rowOf(voucher, how)
    if (admission === 'new') await store.insertVoucher.run(tx, row)
    else await store.storeKnown.run(tx, { ...row, at: row.updated_at })
    const { device_info: model } = row
    await ledger.devices.owned(tx, { id: deviceId, party, guid, model, serial: null })
    await ledger.held(tx, { party, guid, voucher })
    return admission
  }

  list(filter: VoucherFilter) {
    return store.listVouchers(this.#ledger.db, filter)
  }

  /** Throws not-found. */
  async find(party: string, guid: string): Promise<VoucherRow> {
    const row = await store.findVoucher.first(this.#ledger.db, { party, guid })
    return row ?? notFound(guid)
  }

  parse({ guid, cbor }: VoucherRow): Voucher {
    return this.#ledger.parse(guid, cbor)
  }

  /** To be given away: one that was sold to somebody is with them from now on. */
  async export(party: string, guid: string): Promise<VoucherRow> {
    const row = await this.find(party, guid)
    if (row.state === 'handed-over' && row.exported_at === null) {
      const named = { guid, deviceId: row.device_id }
      await store.markExported.run(this.#ledger.db, { ...named, at: this.#ledger.now() })
    }
    return row
  }

  /**
   * Sells a Device by one more entry. Sold to another party the voucher is theirs; sold to a key
   * of ours it stays, ready to onboard the Device once more.
   */
  async sell({ party }: Actor, { guid, to, alongside }: Sale): Promise<VoucherRow> {
    const ledger = this.#ledger
    const row = await this.find(party, guid)
    if (row.state !== 'held') throw new Problem('conflict', `this voucher is ${row.state}`)
    const voucher = this.parse(row)
    const signer =
      (await ledger.findSigner(party, voucher)) ??
      (await ledger.services.findManufacturerSigner(party, ownerKeyOf(voucher).value))
    if (!signer) throw new Problem('conflict', 'the key that owns it is not in this service')
    const sold = ledger.parse(guid, await extendAsAsked(voucher, signer, to))
    const state = (await ledger.findSigner(party, sold)) ? 'held' : 'handed-over'
    const { device_id, origin } = row
    const after = ledger.rowOf(sold, { party, device_id, origin, state })
    const { database, events } = ledger.services
    await database.commit(
      async (tx) => {
        await this.#storeSale(tx, row, after)
        await alongside?.(tx, after)
      },
      { durable: true },
    )
    events.voucherExtended({ guid, to: after.owner_key })
    return this.find(party, guid)
  }

  async #storeSale(tx: Executor, before: VoucherRow, after: VoucherRow): Promise<void> {
    const ledger = this.#ledger
    const { guid, party, device_id: id, device_info: model } = after
    const now = await store.findVoucher.first(tx, { party, guid })
    if (now?.revision !== before.revision || now.state !== before.state) {
      throw new Problem('conflict', 'the voucher has changed meanwhile: look at it again')
    }
    await ledger.displaceOthers(tx, id, guid)
    await store.storeKnown.run(tx, { ...after, at: after.updated_at })
    if (after.state === 'held') {
      await ledger.devices.owned(tx, { id, party, guid, model, serial: null })
      await ledger.held(tx, { party, guid, voucher: this.parse(after) })
    } else {
      await ledger.devices.note(tx, id, 'handed-over', { guid, to: after.owner_key })
      await ledger.released(tx, { party, guid })
    }
  }

  /** Throws not-found. */
  async delete(guid: string, { id: by, party }: Actor): Promise<void> {
    const { database, events } = this.#ledger.services
    await database.commit(async (tx) => {
      const deleted = (await store.deleteVoucher.first(tx, { party, guid })) ?? notFound(guid)
      await this.#ledger.devices.note(tx, deleted.device_id, 'voucher-deleted', { guid })
      await this.#ledger.released(tx, { party, guid })
    })
    this.#ledger.parsed.forget(guid)
    events.voucherDeleted({ guid, by })
  }
}

async function extendAsAsked(voucher: Voucher, signer: Signer, to: PublicKey): Promise<Bytes> {
  try {
    return await extendVoucher(voucher, signer, to)
  } catch (error) {
    if (!(error instanceof VoucherError)) throw error
    const { check, message } = error
    throw new Problem('check-failed', message, { members: { check }, cause: error })
  }
}

function notFound(guid: string): never {
  throw new Problem('not-found', `there is no voucher ${guid}`)
}
