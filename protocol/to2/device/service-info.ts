/** TO2, the Device's side, 67 to 69: its modules do what the Owner wants of them. */
import { announcedLimit } from '../../service-info/service-info.ts'
import {
  DeviceServiceInfo,
  Done,
  type OwnerServiceInfo,
  type OwnerServiceInfoReady,
} from '../messages.ts'
import { insideOf } from '../tunnel.ts'
import type {
  DeviceInnerStep,
  ReadyExpected,
  ServiceInfoExpected,
  To2DeviceContext,
} from './state.ts'

export async function ownerServiceInfoReady(
  state: ReadyExpected,
  { maxDeviceServiceInfoSz }: OwnerServiceInfoReady,
  { serviceInfo }: To2DeviceContext,
): DeviceInnerStep {
  const first = serviceInfo.begin(announcedLimit(maxDeviceServiceInfoSz))
  return {
    next: { ...state, expects: 'TO2.OwnerServiceInfo' },
    reply: insideOf(DeviceServiceInfo, first),
    effects: [],
  }
}

export async function ownerServiceInfo(
  state: ServiceInfoExpected,
  message: OwnerServiceInfo,
  { serviceInfo }: To2DeviceContext,
): DeviceInnerStep {
  const { reply, delayMs } = await serviceInfo.answer(message)
  if (reply) {
    return {
      next: state,
      reply: insideOf(DeviceServiceInfo, reply),
      effects: [],
      holdMs: delayMs,
    }
  }
  const { nonceTO2ProveDv } = state.shown
  return {
    next: { ...state, expects: 'TO2.Done2' },
    reply: insideOf(Done, { nonceTO2ProveDv }),
    effects: [],
  }
}
