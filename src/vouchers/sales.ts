/**
 * A party's vouchers, extended to their next owner. From the commit on the voucher is the buyer's:
 * an entry cannot be taken back, and nothing is sold twice.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { extendVoucher } from '../../protocol/voucher/extend.ts'
import type { EntryStyle } from '../../protocol/voucher/verify.ts'
import { type Voucher, VoucherError, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import type { Executor } from '../database/connection.ts'
import { Problem } from '../http/problem.ts'
import { type Actor, type GenuineVoucher, isRefusal, verify } from './admission.ts'
import { entryOf, takeIn } from './intake.ts'
import type { VoucherLedger } from './ledger.ts'
import * as store from './store.ts'
import type { VoucherRow } from './store.ts'

export interface Sale {
  readonly guid: string
  readonly to: PublicKey
  /** The party of this installation that is meant, where several have the key. */
  readonly receiver?: string | undefined
  /** What else belongs to the sale, in its transaction. */
  readonly alongside?: (tx: Executor, sold: VoucherRow) => Promise<void>
}

/** Extended, and not yet written down. */
interface Draft {
  readonly before: VoucherRow
  readonly after: VoucherRow
  readonly voucher: Voucher
  /** The buyer's voucher, where the buyer is another party of this installation. */
  readonly received: GenuineVoucher | undefined
}

export class VoucherSales {
  readonly #ledger: VoucherLedger

  constructor(ledger: VoucherLedger) {
    this.#ledger = ledger
  }

  /**
   * Sold to another party the voucher is theirs; sold to a key of the seller it stays, ready to
   * onboard the Device once more. A party of this installation has it at once.
   */
  async sell(actor: Actor, sale: Sale): Promise<VoucherRow> {
    const { database, events } = this.#ledger.services
    const { party } = actor
    const { guid } = sale
    const draft = await this.#extend(party, await this.#held(party, guid), sale)
    await database.commit((tx) => this.#store(tx, actor, draft, sale), { durable: true })
    events.voucherExtended({ guid, to: draft.after.owner_key })
    return (await store.findVoucher.first(this.#ledger.db, { party, guid })) ?? draft.after
  }

  async #held(party: string, guid: string): Promise<VoucherRow> {
    const row = await store.findVoucher.first(this.#ledger.db, { party, guid })
    if (!row) throw new Problem('not-found', `there is no voucher ${guid}`)
    if (row.state !== 'held') throw new Problem('conflict', `this voucher is ${row.state}`)
    return row
  }

  async #extend(party: string, before: VoucherRow, { to, receiver }: Sale): Promise<Draft> {
    const ledger = this.#ledger
    const current = ledger.parse(before.guid, before.cbor)
    const signer =
      (await ledger.findSigner(party, current)) ??
      (await ledger.services.findManufacturerSigner(party, ownerKeyOf(current).value))
    if (!signer) throw new Problem('conflict', 'the key that owns it is not in this service')
    const { device_id, origin, entry_style } = before
    const encoded = await extendAsAsked(current, signer, { to, entryStyle: entry_style })
    const voucher = ledger.parse(before.guid, encoded)
    const holders = ledger.services.findHolders(to)
    const meant = holders.find((holder) => holder === receiver)
    const isOurs = meant === undefined && (await ledger.findSigner(party, voucher)) !== undefined
    const buyer = meant ?? holders.find((holder) => holder !== party)
    const received = isOurs ? undefined : await this.#receivedBy(buyer, encoded)
    const state = isOurs ? 'held' : 'handed-over'
    const row = ledger.rowOf(voucher, { party, device_id, origin, state, entry_style })
    // With the buyer already: nobody has to fetch it.
    const after = received ? { ...row, exported_at: row.updated_at } : row
    return { before, after, voucher, received }
  }

  /** Undefined where the key is no other party's here. Throws where that party would not have it. */
  async #receivedBy(
    party: string | undefined,
    encoded: Bytes,
  ): Promise<GenuineVoucher | undefined> {
    const { services } = this.#ledger
    if (party === undefined) return undefined
    const verdict = await verify({ party, encoded, now: services.clock.now() }, services)
    if (isRefusal(verdict)) refusedByBuyer(verdict)
    return verdict
  }

  async #store(tx: Executor, actor: Actor, draft: Draft, { alongside }: Sale): Promise<void> {
    const ledger = this.#ledger
    const { before, after, voucher, received } = draft
    const { guid, party, device_id: id, device_info: model } = after
    const now = await store.findVoucher.first(tx, { party, guid })
    if (now?.revision !== before.revision || now.state !== before.state) {
      throw new Problem('conflict', 'the voucher has changed meanwhile: look at it again')
    }
    await ledger.displaceOthers(tx, id, guid)
    await store.storeKnown.run(tx, { ...after, at: after.updated_at })
    if (after.exported_at !== null) {
      await store.markExported.run(tx, { guid, deviceId: id, at: after.exported_at })
    }
    const type = after.state === 'held' ? 'voucher-extended' : 'voucher-handed-over'
    const entry = entryOf(after)
    const detail = { entries: after.entries, to: after.owner_key }
    await ledger.record(tx, { ...entry, type, by: actor.id, detail })
    if (after.state === 'held') {
      await ledger.devices.owned(tx, { id, party, guid, model, serial: null })
      await ledger.held(tx, { party, guid, voucher })
    } else {
      await ledger.devices.handedOver(tx, { id, guid, to: after.owner_key })
      await ledger.revoke(tx, { id, party, guid, by: actor.id }, 'handed-over')
      await ledger.released(tx, { party, guid })
    }
    if (received) await this.#deliver(tx, received)
    await alongside?.(tx, after)
  }

  async #deliver(tx: Executor, received: GenuineVoucher): Promise<void> {
    const admission = await takeIn(this.#ledger, tx, received, { by: 'system', from: 'other' })
    if (isRefusal(admission)) refusedByBuyer(admission)
  }
}

function refusedByBuyer({ check, detail }: { check: string; detail: string }): never {
  throw new Problem('check-failed', `the buyer does not take it: ${detail}`, { members: { check } })
}

async function extendAsAsked(
  voucher: Voucher,
  signer: Signer,
  { to, entryStyle }: { readonly to: PublicKey; readonly entryStyle: EntryStyle },
): Promise<Bytes> {
  try {
    return await extendVoucher(voucher, signer, to, { entryStyle })
  } catch (error) {
    if (!(error instanceof VoucherError)) throw error
    const { check, message } = error
    throw new Problem('check-failed', message, { members: { check }, cause: error })
  }
}
