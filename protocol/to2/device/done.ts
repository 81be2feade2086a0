/** TO2, the Device's side, 70 and 71: only the Owner's last word makes the new credential ours. */
import { equalBytes } from '../../bytes.ts'
import { withOwner } from '../../credential/device-credential.ts'
import { FdoError } from '../../errors.ts'
import { type Done2 } from '../messages.ts'
import type { Done2Expected, DeviceInnerStep, To2DeviceContext } from './state.ts'

export async function done2(
  state: Done2Expected,
  { nonceTO2SetupDv }: Done2,
  { credential }: To2DeviceContext,
): DeviceInnerStep {
  if (!equalBytes(nonceTO2SetupDv, state.nonceTO2SetupDv)) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO2.Done2: NonceTO2SetupDv is not ours')
  }
  const { newOwner } = state
  return {
    next: null,
    reply: null,
    effects: [
      newOwner
        ? { type: 'onboarded', credential: withOwner(credential, newOwner) }
        : { type: 'credential-reused' },
    ],
  }
}
