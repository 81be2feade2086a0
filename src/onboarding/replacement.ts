/** Who a device is to be after TO2. What becomes of its old voucher is src/vouchers' to say. */
import type { Kept } from '../../protocol/cbor/schema.ts'
import type { NewCredential } from '../../protocol/to2/owner/state.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import { ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import type { ServableVoucher } from '../vouchers/service.ts'
import type { Plan } from './plans/shelf.ts'

export interface ReplacementServices {
  readonly randomBytes: RandomBytes
  /** Where the device is to look when it is sold again; undefined where it has looked before. */
  readonly rendezvousInfo: { value(party: string): Promise<Kept<RendezvousInfo> | undefined> }
}

const GUID_BYTES = 16

/**
 * A new name, and the key by which it is ours already: as the voucher writes that key, because the
 * device can read that. The voucher it leaves has no entry, and stays as it is until it is sold.
 */
export async function replacementFor(
  { party, voucher, signer }: Pick<ServableVoucher, 'party' | 'voucher' | 'signer'>,
  plan: Plan,
  { randomBytes, rendezvousInfo }: ReplacementServices,
): Promise<NewCredential | 'reuse'> {
  if (plan.document.credential === 'reuse') return 'reuse'
  return {
    guid: randomBytes(GUID_BYTES),
    rvInfo: (await rendezvousInfo.value(party)) ?? voucher.header.value.rvInfo,
    owner2Key: ownerKeyOf(voucher),
    owner2Signer: signer,
  }
}
