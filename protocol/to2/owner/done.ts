/** TO2, the Owner's side, 70 and 71: the Device has what it needs, and becomes ours by a new voucher. */
import { equalBytes } from '../../bytes.ts'
import { decodeAs } from '../../cbor/schema.ts'
import { FdoError } from '../../errors.ts'
import { OVHeader, buildVoucher } from '../../voucher/voucher.ts'
import { type Done, Done2 } from '../messages.ts'
import { insideOf } from '../tunnel.ts'
import { servedVoucher } from './prove-voucher.ts'
import type { DoneExpected, OwnerInnerStep, To2OwnerContext } from './state.ts'

export async function done(
  state: DoneExpected,
  { nonceTO2ProveDv }: Done,
  context: To2OwnerContext,
): OwnerInnerStep {
  if (!equalBytes(nonceTO2ProveDv, state.run.nonceTO2ProveDv)) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO2.Done: NonceTO2ProveDv is not ours')
  }
  const { run, nonceTO2SetupDv } = state
  const replacement = await replacementOf(state, context)
  return {
    next: null,
    reply: insideOf(Done2, { nonceTO2SetupDv }),
    effects: [{ type: 'onboarded', run, replacement }],
  }
}

/** The voucher that is true of the Device once it has our answer: not yet extended to anybody. */
async function replacementOf(state: DoneExpected, context: To2OwnerContext) {
  const { replacementHeader: header, replacementHMac: hmac } = state
  if (!header || !hmac) return null
  const { voucher } = await servedVoucher(state.run.guid, context)
  return {
    guid: decodeAs(OVHeader, header, 'OVHeader').guid,
    voucher: buildVoucher({
      header,
      hmac,
      chain: voucher.deviceCertChain,
    }),
  }
}
