/** What every change of a voucher has in common: its row, its device, and whoever registers it. */
import { hash } from 'node:crypto'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { type Voucher, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import type { AuditLog, NewEntry } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import { type RevocationReason, revokeCredentials } from '../pki/revocation/revoke.ts'
import { type Trust, displaced } from './admission.ts'
import type { DeviceBook } from './device-book.ts'
import { ParsedVouchers } from './parsed.ts'
import * as store from './store.ts'
import type { VoucherRow } from './store.ts'

export interface VoucherServices extends Trust {
  /** Signs the first sale of what DI made here; undefined for a key that is not ours. */
  findManufacturerSigner(party: string, key: PublicKey): Promise<Signer | undefined>
  /** The parties of this installation that sign as the owner with this key. */
  findHolders(key: PublicKey): readonly string[]
  /** Whether the party is among them as the transaction sees it. */
  hasOwnerKey(tx: Executor, owner: OwnerKey): Promise<boolean>
  readonly audit: Pick<AuditLog, 'append'>
  readonly database: Database
  readonly clock: Clock
  readonly devices: DeviceBook
  readonly events: Pick<
    Events,
    'voucherImported' | 'voucherExtended' | 'voucherDeleted' | 'deviceRetired'
  >
}

/** Whose key it is that a voucher is with. */
export type OwnerKey = Pick<VoucherRow, 'party' | 'owner_key'>

/** Whoever registers vouchers at a rendezvous; told in the transaction that changes them. */
export interface VoucherWatcher {
  /** The party's to serve from now on. */
  held(tx: Executor, held: PartyVoucher & { readonly voucher: Voucher }): Promise<void>
  /** No longer the party's to serve. */
  released(tx: Executor, released: PartyVoucher): Promise<void>
  /** TO2 is done; it is served only to a Device that did not hear so. */
  replaced?(tx: Executor, replaced: PartyVoucher): Promise<void>
}

export interface PartyVoucher {
  readonly party: string
  readonly guid: string
}

/** One that is not, or no longer, in the service of a party, and by whose doing. */
interface LostDevice extends PartyVoucher {
  readonly id: string
  readonly by: string
}

type RowFacts = Pick<VoucherRow, 'party' | 'device_id' | 'origin' | 'state' | 'entry_style'>

export class VoucherLedger {
  readonly services: VoucherServices
  readonly #watchers: VoucherWatcher[] = []
  readonly parsed = new ParsedVouchers()

  constructor(services: VoucherServices) {
    this.services = services
  }

  get db(): Executor {
    return this.services.database.db
  }

  get devices(): DeviceBook {
    return this.services.devices
  }

  now(): string {
    return this.services.clock.now().toISOString()
  }

  parse(guid: string, cbor: Bytes): Voucher {
    return this.parsed.parse(guid, cbor)
  }

  /** Signs for the party as the last owner that the voucher names. */
  findSigner(party: string, voucher: Voucher): Promise<Signer | undefined> {
    return this.services.findOwnerSigner(party, ownerKeyOf(voucher).value)
  }

  /** The row of a voucher that is new here. */
  rowOf(voucher: Voucher, facts: RowFacts): VoucherRow {
    const { guid, deviceInfo } = voucher.header.value
    const at = this.now()
    return {
      ...facts,
      guid: toHex(guid),
      device_info: deviceInfo,
      owner_key: hash('sha256', ownerKeyOf(voucher).value.key.spki, 'hex'),
      entries: voucher.entries.length,
      revision: 1,
      superseded_by: null,
      exported_at: null,
      deleted_from: null,
      cbor: voucher.bytes,
      created_at: at,
      updated_at: at,
    }
  }

  /**
   * A party never serves two vouchers of one device key: what comes displaces all others. Whether
   * there was any.
   */
  async displaceOthers(tx: Executor, deviceId: string, by: string): Promise<boolean> {
    let wasAny = false
    for (const earlier of await store.findOfDevice.all(tx, { deviceId })) {
      const { guid, party } = earlier
      if (guid === by) continue
      wasAny = true
      const state = displaced(earlier)
      await store.setState.run(tx, { guid, deviceId, state, supersededBy: by, at: this.now() })
      await this.devices.note(tx, deviceId, `voucher-${state}`, { guid, by })
      if (state !== earlier.state) {
        const subject = { guid, device: deviceId }
        const detail = { state, superseded_by: by }
        await this.record(tx, { party, type: 'voucher-superseded', by: 'system', subject, detail })
      }
      await this.released(tx, { party, guid })
    }
    return wasAny
  }

  /** What the device got from this party is worth nothing any more. */
  async revoke(tx: Executor, device: LostDevice, reason: RevocationReason): Promise<void> {
    const { id: deviceId, party, guid, by } = device
    const serials = await revokeCredentials(tx, { deviceId, reason, at: this.now() })
    const entries = serials.map((serial) => ({
      ...{ party, by, type: 'certificate-revoked' as const },
      subject: { guid, device: deviceId },
      detail: { serial, reason },
    }))
    await this.services.audit.append(tx, ...entries)
  }

  /** Into the party's log, with what it tells about. */
  async record(tx: Executor, entry: NewEntry): Promise<void> {
    await this.services.audit.append(tx, entry)
  }

  watch(watcher: VoucherWatcher): void {
    this.#watchers.push(watcher)
  }

  async held(tx: Executor, held: PartyVoucher & { readonly voucher: Voucher }): Promise<void> {
    for (const watcher of this.#watchers) await watcher.held(tx, held)
  }

  async released(tx: Executor, released: PartyVoucher): Promise<void> {
    for (const watcher of this.#watchers) await watcher.released(tx, released)
  }

  async replaced(tx: Executor, replaced: PartyVoucher): Promise<void> {
    for (const watcher of this.#watchers) await watcher.replaced?.(tx, replaced)
  }
}
