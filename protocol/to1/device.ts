/** TO1, the Device's side. */
import type { Bytes } from '../bytes.ts'
import type { Signer } from '../crypto/signer.ts'
import { signSign1 } from '../cose/sign1.ts'
import { FdoError } from '../errors.ts'
import { messageOf, messageOfBytes } from '../message.ts'
import { type Role, type Step, on } from '../role.ts'
import { parseTo1d } from '../to0/messages.ts'
import type { Guid } from '../types/base.ts'
import { buildEat } from '../types/eat.ts'
import { sigInfoOf } from '../types/sig-info.ts'
import type { To2Addresses } from '../types/to2-address.ts'
import { HelloRV, HelloRVAck, ProveToRV, RVRedirect } from './messages.ts'

export interface To1DeviceState {
  readonly expects: 'TO1.HelloRVAck' | 'TO1.RVRedirect'
}

export interface To1DeviceContext {
  readonly guid: Guid
  /** The attestation key. */
  readonly signer: Signer
}

/**
 * Where the Owner is. Nothing vouches for it yet: TO2 verifies `to1d` with the key the Owner
 * proves to have, and breaks off where that fails.
 */
export interface To1DeviceEffect {
  readonly type: 'redirected'
  readonly to1d: Bytes
  readonly addresses: To2Addresses
}

type To1DeviceStep = Step<To1DeviceState, To1DeviceEffect>

export function beginTo1({ guid, signer }: To1DeviceContext): To1DeviceStep {
  const reply = messageOf(HelloRV, { guid, eASigInfo: sigInfoOf(signer) })
  return { next: { expects: 'TO1.HelloRVAck' }, reply, effects: [] }
}

async function helloRVAck(
  _state: unknown,
  { nonceTO1Proof, eBSigInfo }: HelloRVAck,
  { guid, signer }: To1DeviceContext,
): Promise<To1DeviceStep> {
  if (eBSigInfo.sgType !== sigInfoOf(signer).sgType) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'TO1.HelloRVAck: eBSigInfo is not ours')
  }
  const token = await signSign1(signer, buildEat({ nonce: nonceTO1Proof, guid }))
  const reply = messageOfBytes(ProveToRV, token)
  return { next: { expects: 'TO1.RVRedirect' }, reply, effects: [] }
}

function rvRedirect(_state: unknown, { bytes: to1d, value }: RVRedirect): To1DeviceStep {
  const { to1dRV: addresses } = parseTo1d(value)
  return { next: null, reply: null, effects: [{ type: 'redirected', to1d, addresses }] }
}

export const to1Device: Role<To1DeviceState, To1DeviceContext, To1DeviceEffect> = {
  'TO1.HelloRVAck': [on(HelloRVAck, helloRVAck)],
  'TO1.RVRedirect': [on(RVRedirect, rvRedirect)],
}
