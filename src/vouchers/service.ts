/** Vouchers as FDO's protocols use them: made by DI, served in TO0 and TO2, replaced by TO2. */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type Voucher, parseVoucher } from '../../protocol/voucher/voucher.ts'
import type { Executor } from '../database/connection.ts'
import { deviceIdOf } from './device-id.ts'
import type { VoucherLedger } from './ledger.ts'
import * as store from './store.ts'

/** A voucher that TO0 and TO2 may use now. */
export interface ServableVoucher {
  readonly guid: string
  readonly deviceId: string
  readonly voucher: Voucher
  /** Of the key that the last entry names. */
  readonly signer: Signer
  /** See replaceAfterTo2. */
  readonly revision: string
  /** TO2 was done before, but the Device may not know. */
  readonly isReplaced: boolean
}

/** The outcome of DI. */
export interface MadeVoucher {
  readonly guid: Bytes
  readonly serial: string
  readonly deviceInfo: string
  /** DER SubjectPublicKeyInfo of the Device. */
  readonly deviceKey: Bytes
  readonly voucher: Bytes
}

/** The outcome of TO2. */
export interface FinishedRun {
  readonly guid: Bytes
  /** Of the voucher when the run began. */
  readonly revision: string
  /** Null where the credential was reused. */
  readonly replacement: { readonly guid: Bytes; readonly voucher: Bytes } | null
}

/** A Device that has not shown up under its new GUID by then will not under the old one. */
const KEEP_REPLACED_MS = 30 * 24 * 3_600_000

export class VoucherService {
  readonly #ledger: VoucherLedger

  constructor(ledger: VoucherLedger) {
    this.#ledger = ledger
  }

  /** The end of DI. To be called in the transaction that ends the session. */
  async voucherMade(tx: Executor, made: MadeVoucher): Promise<void> {
    const ledger = this.#ledger
    const guid = toHex(made.guid)
    const id = deviceIdOf(made.deviceKey)
    const voucher = ledger.parse(guid, made.voucher)
    const isSold = voucher.entries.length > 0
    const owned = isSold && (await ledger.findSigner(voucher)) !== undefined
    const state = isSold && !owned ? 'handed-over' : 'held'
    await ledger.displaceOthers(tx, id, guid)
    const row = ledger.rowOf(voucher, id, { origin: 'made', state })
    await store.insertVoucher.run(tx, row)
    // It is registered, and mostly asked for, within moments.
    ledger.parsed.parse(guid, made.voucher, row)
    const { serial, deviceInfo: model } = made
    await ledger.devices.made(tx, { id, guid, model, serial, owned })
    if (owned) await ledger.held(tx, guid, voucher)
  }

  /** The voucher to answer TO2 with, or to register by TO0; undefined if there is none. */
  async findServable(
    guid: Bytes,
    executor: Executor = this.#ledger.db,
  ): Promise<ServableVoucher | undefined> {
    const name = toHex(guid)
    const found = await this.#findHeld(name, executor)
    const signer = found && (await this.#ledger.findSigner(found.voucher))
    if (!signer) return undefined
    const { facts, voucher } = found
    return {
      guid: name,
      deviceId: facts.device_id,
      voucher,
      signer,
      revision: String(facts.revision),
      isReplaced: facts.state === 'replaced',
    }
  }

  /** Looked up anew each time, for it may be gone; but its bytes are read once. */
  async #findHeld(guid: string, executor: Executor) {
    const { parsed } = this.#ledger
    const facts = await store.findServableFacts.first(executor, { guid })
    if (!facts) return undefined
    const known = parsed.recall(guid, facts)
    if (known) return { facts, voucher: known }
    const row = await store.findServable.first(executor, { guid })
    return row && { facts: row, voucher: parsed.parse(guid, row.cbor, row) }
  }

  /** Whose voucher this is, or was, as long as we have it. */
  async findDeviceId(
    guid: string,
    executor: Executor = this.#ledger.db,
  ): Promise<string | undefined> {
    return (await store.findDeviceOf.first(executor, { guid }))?.device_id
  }

  /**
   * The end of TO2, in the transaction that answers 70. Throws INVALID_MESSAGE_ERROR where another
   * run with the same voucher ended first.
   */
  async replaceAfterTo2(tx: Executor, run: FinishedRun): Promise<{ readonly deviceId: string }> {
    const ledger = this.#ledger
    const guid = toHex(run.guid)
    const newGuid = run.replacement && toHex(run.replacement.guid)
    const finished = await store.finishRun.first(tx, {
      guid,
      revision: Number(run.revision),
      state: newGuid === null ? 'held' : 'replaced',
      supersededBy: newGuid,
      at: ledger.now(),
    })
    if (!finished) throw new FdoError('INVALID_MESSAGE_ERROR', 'another run of it ended first')
    const { device_id: deviceId } = finished
    // An earlier run ended, but its 71 was lost: the Device never took on what that run left.
    if (run.revision !== '1') await store.removeUnused.run(tx, { deviceId, except: newGuid ?? '' })
    if (run.replacement) {
      const voucher = parseVoucher(run.replacement.voucher)
      const how = { origin: 'onboarded', state: 'held' } as const
      await store.insertVoucher.run(tx, ledger.rowOf(voucher, deviceId, how))
    }
    await ledger.devices.onboarded(tx, { id: deviceId, guid, newGuid })
    return { deviceId }
  }

  /** The Device has shown up under this GUID: the voucher before is not served any more. */
  async sawDevice(
    tx: Executor,
    seen: { readonly deviceId: string; readonly guid: string },
  ): Promise<void> {
    for (const { guid } of await store.retireReplacedBy.all(tx, {
      ...seen,
      at: this.#ledger.now(),
    })) {
      await this.#ledger.released(tx, guid)
    }
  }

  /** Housekeeping: vouchers replaced so long ago that no Device will ask for them. */
  async retireStale(): Promise<void> {
    const { clock, database } = this.#ledger.services
    const before = new Date(clock.now().getTime() - KEEP_REPLACED_MS).toISOString()
    const at = this.#ledger.now()
    await database.commit(async (tx) => {
      for (const { guid } of await store.retireReplacedBefore.all(tx, { before, at })) {
        await this.#ledger.released(tx, guid)
      }
    })
  }
}
