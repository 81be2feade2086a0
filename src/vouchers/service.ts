/** Vouchers as FDO's protocols use them: made by DI, served in TO0 and TO2, replaced by TO2. */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type Voucher, ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import type { Detail } from '../audit/entry.ts'
import type { Executor } from '../database/connection.ts'
import { isRefusal } from './admission.ts'
import { deviceIdOf } from './device-id.ts'
import { IntakeRefused, entryOf, isFurtherElsewhere, takeIn } from './intake.ts'
import type { VoucherLedger } from './ledger.ts'
import * as deletion from './deletion/store.ts'
import * as store from './store.ts'

/** A voucher that TO0 and TO2 may use now. */
export interface ServableVoucher {
  readonly guid: string
  readonly party: string
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
  /** The manufacturer. */
  readonly party: string
  readonly guid: Bytes
  readonly serial: string
  readonly deviceInfo: string
  /** DER SubjectPublicKeyInfo of the Device. */
  readonly deviceKey: Bytes
  readonly voucher: Bytes
  /** Who brought it, where it was made at a line elsewhere; the device itself if left out. */
  readonly by?: string
  /** What more the log is to say of it. */
  readonly detail?: Detail
}

/** The outcome of TO2. */
export interface FinishedRun {
  readonly guid: Bytes
  readonly deviceId: string
  /** Of the voucher when the run began. */
  readonly revision: string
  /** Null where the credential was reused. */
  readonly replacement: { readonly guid: Bytes; readonly voucher: Bytes } | null
}

type ServableFacts = Pick<
  store.VoucherRow,
  'party' | 'device_id' | 'state' | 'revision' | 'created_at'
>

/** After that a deleted voucher is gone for good. */
const KEEP_DELETED_MS = 30 * 24 * 3_600_000
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
    const { party } = made
    const guid = toHex(made.guid)
    const id = deviceIdOf(party, made.deviceKey)
    const voucher = ledger.parse(guid, made.voucher)
    const isSold = voucher.entries.length > 0
    const holders = isSold ? ledger.services.findHolders(ownerKeyOf(voucher).value) : []
    const owned = holders.includes(party)
    const state = isSold && !owned ? 'handed-over' : 'held'
    if (await ledger.displaceOthers(tx, id, guid)) {
      await ledger.revoke(tx, { id, party, guid, by: 'system' }, 'made-anew')
    }
    const how = { party, device_id: id, origin: 'made', state, entry_style: 'fdo-1.1' } as const
    const row = ledger.rowOf(voucher, how)
    await store.insertVoucher.run(tx, row)
    // It is registered, and mostly asked for, within moments.
    ledger.parsed.parse(guid, made.voucher, row)
    const { serial, deviceInfo: model } = made
    await ledger.devices.made(tx, { id, party, guid, model, serial, owned })
    await this.#recordMade(tx, row, made)
    const buyer = holders.find((holder) => holder !== party)
    if (state === 'handed-over' && buyer) await this.#deliver(tx, row, buyer, made)
    if (owned) await ledger.held(tx, { party, guid, voucher })
  }

  async #recordMade(
    tx: Executor,
    row: store.VoucherRow,
    { serial, by = 'device', detail: more }: MadeVoucher,
  ): Promise<void> {
    const entry = entryOf(row)
    const voucher = `/api/v1/vouchers/${row.guid}`
    const detail = { ...entry.detail, serial, voucher, ...more }
    const made = { ...entry, type: 'voucher-made', by, detail } as const
    const sold = { ...entry, type: 'voucher-handed-over', by: 'system' } as const
    const entries = row.state === 'handed-over' ? [made, sold] : [made]
    await this.#ledger.services.audit.append(tx, ...entries)
  }

  /** A party of this installation has bought the Device: it has its voucher at once. */
  async #deliver(
    tx: Executor,
    row: store.VoucherRow,
    party: string,
    { serial, deviceKey }: MadeVoucher,
  ): Promise<void> {
    const ledger = this.#ledger
    const { guid } = row
    const voucher = ledger.parse(guid, row.cbor)
    const deviceId = deviceIdOf(party, deviceKey)
    const genuine = { party, voucher, guid, deviceId, entryStyle: row.entry_style }
    const admission = await takeIn(ledger, tx, genuine, { by: 'system', from: 'other', serial })
    // Brought by a line, it may come after the buyer has had it in another way, and has sold it on.
    if (isRefusal(admission) && !(await isFurtherElsewhere(ledger, tx, { ...row, voucher }))) {
      throw new IntakeRefused(admission)
    }
    const { device_id, updated_at: at } = row
    await store.markExported.run(tx, { guid, deviceId: device_id, at })
  }

  /** The voucher to answer TO2 with: the last owner's, where several parties have had it. */
  findServable(guid: Bytes, executor?: Executor): Promise<ServableVoucher | undefined> {
    return this.#findServable(toHex(guid), (rows) => rows[0], executor)
  }

  /** The voucher to register by TO0. */
  findServableOf(party: string, guid: Bytes): Promise<ServableVoucher | undefined> {
    return this.#findServable(toHex(guid), (rows) => rows.find((row) => row.party === party))
  }

  async #findServable(
    guid: string,
    choose: (rows: readonly ServableFacts[]) => ServableFacts | undefined,
    executor: Executor = this.#ledger.db,
  ): Promise<ServableVoucher | undefined> {
    const facts = choose(await store.listServable.all(executor, { guid }))
    const voucher = facts && (await this.#voucherOf(guid, facts, executor))
    const signer = voucher && (await this.#ledger.findSigner(facts.party, voucher))
    if (!signer) return undefined
    return {
      guid,
      party: facts.party,
      deviceId: facts.device_id,
      voucher,
      signer,
      revision: String(facts.revision),
      isReplaced: facts.state === 'replaced',
    }
  }

  /** Whether it is there is looked up anew each time; its bytes are read once. */
  async #voucherOf(guid: string, facts: ServableFacts, executor: Executor) {
    const { parsed } = this.#ledger
    const known = parsed.recall(guid, facts)
    if (known) return known
    const row = await store.findBytes.first(executor, { party: facts.party, guid })
    return row && parsed.parse(guid, row.cbor, row)
  }

  /** Whose voucher this is, or was, as long as the party has it. */
  async findDeviceId(
    voucher: { readonly party: string; readonly guid: string },
    executor: Executor = this.#ledger.db,
  ): Promise<string | undefined> {
    return (await store.findDeviceOf.first(executor, voucher))?.device_id
  }

  /**
   * The end of TO2, in the transaction that answers 70. Throws INVALID_MESSAGE_ERROR where another
   * run with the same voucher ended first.
   */
  async replaceAfterTo2(tx: Executor, run: FinishedRun): Promise<void> {
    const ledger = this.#ledger
    const { deviceId } = run
    const guid = toHex(run.guid)
    const newGuid = run.replacement && toHex(run.replacement.guid)
    const finished = await store.finishRun.first(tx, {
      guid,
      deviceId,
      revision: Number(run.revision),
      state: newGuid === null ? 'held' : 'replaced',
      supersededBy: newGuid,
      at: ledger.now(),
    })
    if (!finished) throw new FdoError('INVALID_MESSAGE_ERROR', 'another run of it ended first')
    const { party, entry_style } = finished
    // An earlier run ended, but its 71 was lost: the Device never took on what that run left.
    if (run.revision !== '1') await store.removeUnused.run(tx, { deviceId, except: newGuid ?? '' })
    if (run.replacement) {
      const voucher = parseVoucher(run.replacement.voucher)
      const how = { party, device_id: deviceId, origin: 'onboarded', state: 'held' } as const
      // Which entries the Device can verify has not changed.
      await store.insertVoucher.run(tx, ledger.rowOf(voucher, { ...how, entry_style }))
      await ledger.replaced(tx, { party, guid })
    }
    await ledger.devices.onboarded(tx, { id: deviceId, guid, newGuid })
    await ledger.record(tx, {
      ...{ party, by: 'device', type: newGuid === null ? 'credential-reused' : 'onboarded' },
      subject: { guid: newGuid ?? guid, device: deviceId },
      detail: { previous_guid: guid },
    })
  }

  /** The Device has shown up under this GUID: the voucher before is not served any more. */
  async sawDevice(
    tx: Executor,
    seen: { readonly deviceId: string; readonly guid: string },
  ): Promise<void> {
    const retired = { ...seen, at: this.#ledger.now() }
    for (const voucher of await store.retireReplacedBy.all(tx, retired)) {
      await this.#ledger.released(tx, voucher)
    }
  }

  /** Housekeeping: vouchers deleted long ago, and those replaced so long ago that no Device will ask for them. */
  async retireStale(): Promise<void> {
    const { clock, database } = this.#ledger.services
    const deletedBefore = new Date(clock.now().getTime() - KEEP_DELETED_MS).toISOString()
    await database.commit((tx) => deletion.forgetDeleted.run(tx, { before: deletedBefore }))
    const before = new Date(clock.now().getTime() - KEEP_REPLACED_MS).toISOString()
    const at = this.#ledger.now()
    await database.commit(async (tx) => {
      for (const voucher of await store.retireReplacedBefore.all(tx, { before, at })) {
        await this.#ledger.released(tx, voucher)
      }
    })
  }
}
