/** Vouchers of devices that a party had made elsewhere: at a line of its own, which brings them later. */
import type { Bytes } from '../../protocol/bytes.ts'
import { type Voucher, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import type { Executor } from '../database/connection.ts'
import {
  type Admission,
  type GenuineVoucher,
  type Verdict,
  isContinuedBy,
  isRefusal,
  verifyGenuine,
} from './admission.ts'
import { isFurtherElsewhere, refusedElsewhere } from './intake.ts'
import type { PartyVoucher, VoucherLedger } from './ledger.ts'
import * as store from './store.ts'

export class BroughtVouchers {
  readonly #ledger: VoucherLedger

  constructor(ledger: VoucherLedger) {
    this.#ledger = ledger
  }

  /** Looks at the voucher alone; whose it is by its last entry is for the caller to judge. */
  async verify(party: string, encoded: Bytes): Promise<Verdict> {
    const { services } = this.#ledger
    const verdict = await verifyGenuine({ party, encoded, now: services.clock.now() }, services)
    if (isRefusal(verdict)) return verdict
    // A key is read from the database when it is first used, which no transaction may wait for.
    const { voucher } = verdict
    // The first reads anew which keys there are: another process may have made one.
    await this.#ledger.findSigner(party, voucher)
    const holders = services.findHolders(ownerKeyOf(voucher).value)
    await Promise.all(holders.map((one) => this.#ledger.findSigner(one, voucher)))
    return verdict
  }

  /**
   * `new`, or `same` for one that is here already, whatever has become of it since: it may have been
   * sold, onboarded or removed.
   */
  async admit(
    tx: Executor,
    { party, guid, deviceId, voucher }: GenuineVoucher,
  ): Promise<Exclude<Admission, 'known'>> {
    const ours = await store.findVoucher.first(tx, { party, guid })
    if (!ours) return this.#admitNew(tx, { party, guid, voucher })
    if (ours.device_id !== deviceId) {
      const detail = `this GUID is that of ${ours.device_id}`
      return { check: 'guid-of-another-device', detail }
    }
    const known = this.#ledger.parse(guid, ours.cbor)
    if (isContinuedBy(voucher, known)) return 'same'
    return { check: 'voucher-differs', detail: 'sold otherwise than the one we have' }
  }

  /** Its GUID is whatever the line, or who has the means to speak for one, has written into it. */
  async #admitNew(tx: Executor, brought: PartyVoucher & { readonly voucher: Voucher }) {
    const refusal = await refusedElsewhere(tx, brought)
    if (!refusal) return 'new'
    // Whoever bought it may have had it sooner, and have sold or onboarded it. It serves nobody here.
    const isTheirs = this.#isSoldToOthers(brought.party, brought.voucher)
    return isTheirs && (await isFurtherElsewhere(this.#ledger, tx, brought)) ? 'new' : refusal
  }

  #isSoldToOthers(party: string, voucher: Voucher): boolean {
    if (voucher.entries.length === 0) return false
    return !this.#ledger.services.findHolders(ownerKeyOf(voucher).value).includes(party)
  }
}
