/** Vouchers as an administrator deals with them: taken in, looked at, given away, sold, removed. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bytes } from '../../protocol/bytes.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import type { Executor } from '../database/connection.ts'
import { Problem } from '../http/problem.ts'
import { type Actor, type ImportCheck, type Verdict, isRefusal, verify } from './admission.ts'
import { type Bringer, takeIn } from './intake.ts'
import type { PartyVoucher, VoucherLedger } from './ledger.ts'
import { type PartyDevice, retire } from './retirement.ts'
import { type Sale, VoucherSales } from './sales.ts'
import * as deletion from './deletion/store.ts'
import * as store from './store.ts'
import type { VoucherFilter, VoucherRow, VoucherState } from './store.ts'

/** What came of one voucher in an import. */
export interface ImportResult {
  readonly guid: string | null
  readonly ok: boolean
  /** The check it failed. */
  readonly check: ImportCheck | null
  readonly detail: string | null
}

/** The same, where it matters whether the voucher was here before. */
export interface Settled extends ImportResult {
  readonly isNew: boolean
}

const MOST_AT_ONCE = 16

export class VoucherDesk {
  readonly #ledger: VoucherLedger
  readonly #sales: VoucherSales

  constructor(ledger: VoucherLedger) {
    this.#ledger = ledger
    this.#sales = new VoucherSales(ledger)
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
      results.push(...(await this.#settleAll(verdicts, { by, from: 'self' })))
      // Devices are waiting, too.
      await nextTurn()
    }
    return results
  }

  /** One that another party brings. */
  async admit(encoded: Bytes, { id: by, party }: Actor): Promise<Settled> {
    const { services } = this.#ledger
    const verdict = await verify({ party, encoded, now: services.clock.now() }, services)
    return this.#settle(verdict, { by, from: 'other' })
  }

  /** Those of one device one after the other: the last of them is the one that counts. */
  #settleAll(verdicts: readonly Verdict[], bringer: Bringer): Promise<ImportResult[]> {
    const lastOf = new Map<string, Promise<ImportResult>>()
    const settled = verdicts.map((verdict) => {
      const settle = () => this.#settle(verdict, bringer).then(resultOf)
      if (isRefusal(verdict)) return settle()
      const before = lastOf.get(verdict.deviceId)
      const settling = before ? before.then(settle) : settle()
      lastOf.set(verdict.deviceId, settling)
      return settling
    })
    return Promise.all(settled)
  }

  async #settle(verdict: Verdict, bringer: Bringer): Promise<Settled> {
    if (isRefusal(verdict)) return { ok: false, ...verdict, isNew: false }
    const { database, events } = this.#ledger.services
    const { guid, deviceId: device } = verdict
    const admission = await database.commit((tx) => takeIn(this.#ledger, tx, verdict, bringer), {
      durable: true,
    })
    if (isRefusal(admission)) return { guid, ok: false, ...admission, isNew: false }
    const isNew = admission !== 'same'
    if (isNew) events.voucherImported({ guid, device, by: bringer.by })
    return { guid, ok: true, check: null, detail: isNew ? null : 'held already', isNew }
  }

  list(filter: VoucherFilter) {
    return store.listVouchers(this.#ledger.db, filter)
  }

  /** Throws not-found. */
  async find(party: string, guid: string): Promise<VoucherRow> {
    const row = await store.findVoucher.first(this.#ledger.db, { party, guid })
    return row && row.state !== 'deleted' ? row : notFound(guid)
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

  /** See VoucherSales. */
  sell(actor: Actor, sale: Sale): Promise<VoucherRow> {
    return this.#sales.sell(actor, sale)
  }

  /** Its device cannot onboard by it any more; it can be restored for a while. Throws not-found. */
  async delete(guid: string, { id: by, party }: Actor): Promise<void> {
    const { database, events } = this.#ledger.services
    const at = this.#ledger.now()
    await database.commit(async (tx) => {
      const deleted = await deletion.deleteVoucher.first(tx, { party, guid, at })
      const { device_id: device } = deleted ?? notFound(guid)
      await this.#ledger.devices.note(tx, device, 'voucher-deleted', { guid })
      const subject = { guid, device }
      await this.#ledger.record(tx, { party, type: 'voucher-deleted', by, subject })
      await this.#ledger.released(tx, { party, guid })
    })
    this.#ledger.parsed.forget(guid)
    events.voucherDeleted({ guid, by })
  }

  /** See retire. */
  async retire(device: PartyDevice, { id: by }: Actor): Promise<void> {
    const { database, events } = this.#ledger.services
    const retired = await database.commit((tx) => retire(this.#ledger, tx, { ...device, by }), {
      durable: true,
    })
    if (!retired) return
    for (const guid of retired) this.#ledger.parsed.forget(guid)
    events.deviceRetired({ device: device.id, by })
  }

  /** Throws not-found, or conflict where the device has another voucher by now. */
  async restore(guid: string, { id: by, party }: Actor): Promise<VoucherRow> {
    const { database } = this.#ledger.services
    await database.commit((tx) => this.#restore(tx, { party, guid }, by))
    return this.find(party, guid)
  }

  async #restore(tx: Executor, named: PartyVoucher, by: string): Promise<void> {
    const ledger = this.#ledger
    const { party, guid } = named
    const row = await store.findVoucher.first(tx, named)
    if (row?.state !== 'deleted') notFound(guid)
    const { device_id: device } = row
    const state = stateOf(row.deleted_from)
    const isServed = state === 'held' || state === 'replaced'
    const others = isServed ? await store.findOfDevice.all(tx, { deviceId: device }) : []
    const rival = others.find((one) => one.state === 'held' && one.guid !== row.superseded_by)
    if (rival) throw new Problem('conflict', `the device has the voucher ${rival.guid} by now`)
    await deletion.restoreVoucher.run(tx, { ...named, state, at: ledger.now() })
    await ledger.devices.note(tx, device, 'voucher-restored', { guid })
    await ledger.record(tx, { party, type: 'voucher-restored', by, subject: { guid, device } })
    const voucher = this.parse(row)
    const owned = isServed && (await ledger.services.hasOwnerKey(tx, row))
    if (isServed) await ledger.devices.restored(tx, { id: device, owned })
    if (state === 'held' && owned) await ledger.held(tx, { party, guid, voucher })
  }
}

function resultOf({ guid, ok, check, detail }: Settled): ImportResult {
  return { guid, ok, check, detail }
}

/** Written here, when it was deleted. */
function stateOf(text: string | null): VoucherState {
  return text as VoucherState
}

function notFound(guid: string): never {
  throw new Problem('not-found', `there is no voucher ${guid}`)
}
